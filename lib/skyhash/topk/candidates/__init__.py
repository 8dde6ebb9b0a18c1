"""Candidate neighbours as sortable 64-bit keys: buffers of them, and merging partial lists into one top k."""
