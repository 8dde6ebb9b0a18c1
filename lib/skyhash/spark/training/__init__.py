"""Distributed training: snapshot of the training data, readers, launchers, the training loop, checkpoints."""
