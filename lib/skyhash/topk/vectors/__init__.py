"""Prepared rows of codes, SIMD intrinsics, and the exact similarity of two rows."""
