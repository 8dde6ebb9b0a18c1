"""What runs inside Spark's Python workers per batch of rows: reading, describing, hashing, searching, evaluating."""
