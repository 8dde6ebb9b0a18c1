"""The table of neighbours: the plan of the search, the pair filter, the search."""
