"""The job evaluate: queries and searched images, the summary, the report."""
