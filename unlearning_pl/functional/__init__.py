"""Pure mathematics on tensors: no Lightning, no state."""
