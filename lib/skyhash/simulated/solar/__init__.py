"""A simulated Sun: active regions that emerge, rotate and decay, seen as HMI sees them."""
