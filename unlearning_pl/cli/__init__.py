"""Command lines: parsing them, explaining mistakes, exit codes."""

from unlearning_pl.deprecated import renamed

__getattr__ = renamed("unlearning_pl.commands.main")
