"""Parts of the job evaluate: the images evaluated, the summary, the report."""
