"""What the job evaluate is made of: the judged images, the summary, the report."""
