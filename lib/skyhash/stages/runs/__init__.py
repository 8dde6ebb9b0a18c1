"""The record of a job: its closing table, its row of `runs`, fingerprints, metrics."""
