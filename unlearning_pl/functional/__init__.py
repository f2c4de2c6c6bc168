"""Pure functions on tensors: losses, metrics and attacks, without Lightning and without state."""
