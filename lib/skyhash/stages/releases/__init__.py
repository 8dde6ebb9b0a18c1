"""Releases of the tables: checks, publishing, maintenance, and commands that read released tables."""
