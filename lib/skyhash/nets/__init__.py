"""Encoders, as torch modules; no Spark, no files."""
