"""Altered copies of training rows; one kind per file."""
