"""Where images come from: one file a source."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.data")
