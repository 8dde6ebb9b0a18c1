"""How long a search will take: measured rates, and the choice between exact and blocked search."""
