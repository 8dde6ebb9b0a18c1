"""Evaluation: windows, ranking, intervals; numpy only."""
