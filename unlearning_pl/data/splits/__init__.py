"""Forget requests, and the split of the training images that they lead to."""

from unlearning_pl.deprecated import PACKAGES, renamed

__getattr__ = renamed(f"unlearning_pl.{PACKAGES['data.splits']}", __name__)
