"""Approximate top k: rows are hashed into buckets (LSH) and compared within nearby buckets; recall is measured."""
