"""Pixels: regions, grid, stretch; numpy in, numpy out."""
