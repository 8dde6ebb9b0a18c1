"""Constraints and exclusions on pairs of query and neighbour, and the reasons for lists shorter than k."""
