"""Coders of vectors: packing into bits, principal components, ITQ, LSH; numpy only."""
