"""Settings of the encoders, one file each, readable without importing torch."""
