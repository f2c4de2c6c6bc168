"""Where images come from: one file a source."""

from unlearning_pl.deprecated import PACKAGES, renamed

__getattr__ = renamed(f"unlearning_pl.{PACKAGES['data.sources']}", __name__)
