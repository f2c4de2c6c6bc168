"""Forget requests, and the split of the training images that they lead to."""
