"""What runs in Spark workers for each stage: reading, describing, hashing, judging."""
