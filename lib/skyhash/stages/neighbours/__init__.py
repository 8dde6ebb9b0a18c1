"""The all-pairs table: the plan of the search, who may be listed for whom, the search."""
