"""The all-pairs search as Spark tasks: codes in files, a task per pair of blocks, lists as a table."""
