"""Forget requests, and the splits of the training images that result from them."""

from unlearning_pl.deprecated import PACKAGES, renamed

__getattr__ = renamed(f"unlearning_pl.{PACKAGES['data.splits']}", __name__)
