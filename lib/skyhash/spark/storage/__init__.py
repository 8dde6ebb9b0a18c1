"""Tables on disk: Delta or plain Parquet behind one interface, versions and file statistics."""
