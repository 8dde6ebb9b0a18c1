"""Which pairs may be listed: rules by category, release time and duplicates, and why a list is shorter than k."""
