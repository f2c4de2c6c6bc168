"""Command-line infrastructure: parsers, error messages and exit codes."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.commands.main")
