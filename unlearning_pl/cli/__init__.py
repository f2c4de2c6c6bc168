"""Command-line infrastructure: parsers, error messages and exit codes."""

from unlearning_pl.deprecated import PACKAGES, renamed

__getattr__ = renamed(f"unlearning_pl.{PACKAGES['cli']}", __name__)
