"""Sources of images: one file per source."""

from unlearning_pl.deprecated.names import PACKAGES
from unlearning_pl.deprecated.old_modules import renamed

__getattr__ = renamed("data.sources", [PACKAGES["data.sources"][0]], PACKAGES["data.sources"][1])
