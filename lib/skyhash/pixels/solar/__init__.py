"""The solar descriptor: magnetic regions of a magnetogram, summed over a grid (Grycuk et al. 2022, section 2.2)."""
