"""The neighbour search as Spark tasks: codes in shared files, a task per pair of blocks, lists written as a table."""
