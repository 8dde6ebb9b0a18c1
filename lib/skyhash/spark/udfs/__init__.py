"""Functions that Spark's Python workers run on batches of rows: reading, describing, hashing, searching, evaluating."""
