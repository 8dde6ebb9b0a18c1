"""Codes: packing, binarisation, and the classical coders (PCA, ITQ, LSH)."""
