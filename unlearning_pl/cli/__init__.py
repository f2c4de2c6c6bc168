"""Command lines: parsing them, explaining mistakes, exit codes."""
