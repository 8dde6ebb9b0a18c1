"""Exact and blocked top-k over blocks of codes; knows no Spark, no paths, no settings."""
