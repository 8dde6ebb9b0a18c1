"""The jobs, one file each; the only room that may import all others."""
