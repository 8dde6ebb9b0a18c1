"""The rows to compare: checked and normalised vectors, SIMD access to them, and the exact similarity of two rows."""
