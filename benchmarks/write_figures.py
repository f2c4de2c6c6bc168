"""The JSON file of a benchmark's figures, with its options, versions and hardware."""

import argparse
import json
from typing import Any

from unlearning_pl.training import runs


def write_figures(options: argparse.Namespace, **figures: Any) -> None:
    """Write figures to ``options.output``; nothing without it."""
    if options.output is None:
        return
    settings = {key: str(value) for key, value in vars(options).items()}
    options.output.write_text(json.dumps({"settings": settings, **figures, **runs.environment()}, indent=2))
