"""Which images may be neighbours of which: constraints and exclusions, and why a list is shorter than k."""
