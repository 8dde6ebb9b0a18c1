"""skyhash: similarity tables for astronomical image archives, built by Spark."""

__version__ = "0.1.0"
