"""Tables on disk: Delta or plain Parquet, versions, checked writes."""
