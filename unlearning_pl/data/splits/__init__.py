"""Forget requests, and the split of the training images that they lead to."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.data.splits.forget_split")
