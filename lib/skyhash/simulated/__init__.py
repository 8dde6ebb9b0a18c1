"""Archives made by a physical model, for demos, tests and benchmarks; always named simulated."""
