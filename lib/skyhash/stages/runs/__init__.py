"""What every job leaves behind: its closing table, its row of `runs`, fingerprints, metrics."""
