"""Training an encoder, keeping its model, hashing with it."""
