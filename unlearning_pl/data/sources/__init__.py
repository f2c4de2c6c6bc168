"""Sources of images: one file per source."""

from unlearning_pl.deprecated import PACKAGES, renamed

__getattr__ = renamed(f"unlearning_pl.{PACKAGES['data.sources']}", __name__)
