"""Running one job, the whole chain, or an experiment."""
