"""The job evaluate: the images evaluated, the summary, the report."""
