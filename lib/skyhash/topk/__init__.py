"""Exact and blocked top-k over blocks of codes; imports neither Spark nor settings, and reads no files."""

VERSION = 3  # raised when the lists of equal codes and settings change
