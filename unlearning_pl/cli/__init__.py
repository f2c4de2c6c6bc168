"""Command-line infrastructure: parsers, error messages and exit codes."""

from unlearning_pl.deprecated.names import PACKAGES
from unlearning_pl.deprecated.old_modules import renamed

__getattr__ = renamed("cli", [PACKAGES["cli"][0]], PACKAGES["cli"][1])
