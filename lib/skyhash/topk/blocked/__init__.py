"""Approximate top k: rows hashed into buckets (LSH), only rows of nearby buckets compared, recall measured."""
