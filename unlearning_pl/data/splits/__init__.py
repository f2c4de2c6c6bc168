"""Forget requests, and the splits of the training images that result from them."""

from unlearning_pl.deprecated.names import PACKAGES
from unlearning_pl.deprecated.old_modules import renamed

__getattr__ = renamed("data.splits", [PACKAGES["data.splits"][0]], PACKAGES["data.splits"][1])
