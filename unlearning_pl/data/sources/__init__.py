"""Sources of images: one file per source."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.data")
