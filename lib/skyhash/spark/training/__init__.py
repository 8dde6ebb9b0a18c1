"""Training across ranks: snapshot of the rows, readers, launchers, the loop of a rank, model files."""
