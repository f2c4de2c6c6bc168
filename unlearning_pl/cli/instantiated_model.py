"""Model and data of a file of weights, from options of ``fit``; nothing is trained or written."""

from pathlib import Path

from typing_extensions import override

from unlearning_pl.cli.file_options import complete_options
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command


class _InstantiatingCLI(UnlearningCLI):
    """Instantiates model and data, and trains nothing."""

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        pass


def instantiate_for_file(file: Path, words: list[str]) -> tuple[UnlearningCLI, list[str]]:
    """Instantiate model, data and trainer for the weights of a file, which are not loaded.

    Args:
        file: Weights.
        words: Options of ``fit``.

    Returns:
        The command line with ``model``, ``datamodule`` and ``trainer``, and a sentence on each option that was guessed.

    Raises:
        InputError: If an option is invalid, or no model is given and none can be guessed.
    """
    words, notes = complete_options(file, words, lambda words: configuration(["fit", *words]))
    return run_training_command(["fit", *words], _InstantiatingCLI), notes
