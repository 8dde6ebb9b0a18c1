"""Releases of the tables: checks, publishing, keeping order, and everything that reads released tables."""
