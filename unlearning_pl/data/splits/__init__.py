"""Forget requests, and the splits of the training images that result from them."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.data.splits.forget_split")
