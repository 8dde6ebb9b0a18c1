"""Layers that torch does not have, one per file."""
