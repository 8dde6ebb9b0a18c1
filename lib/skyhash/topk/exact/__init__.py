"""Exact top k: tiles of all pairs, a fast prefilter with proven error bounds, exact rescoring of the rest."""
