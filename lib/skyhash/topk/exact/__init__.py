"""Exact top k: all rows against all by tiles, with a prefilter of proven error bounds; some queries by a scan."""
