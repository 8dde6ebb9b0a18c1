"""What is Spark's: session, checked store, UDFs, launchers and readers of training."""
