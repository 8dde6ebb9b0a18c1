"""The vectors to compare: checked and normalised rows, SIMD intrinsics, and the exact similarity of two rows."""
