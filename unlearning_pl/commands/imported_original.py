"""The file of weights that an audit names as the original, as a run beside the first model."""

import math
from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.commands.import_weights import import_file
from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.errors import require
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training import runs
from unlearning_pl.training.import_run import is_import_of
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml


def import_original(
    file: str, model: str, data_options: Sequence[str], allow: Sequence[str], command: Sequence[str]
) -> Path:
    """Import a file into a folder of its name beside a run, with the model and data of that run.

    An import of the same file is used again.

    Args:
        file: Weights.
        model: Run folder of a model that the file is the original of.
        data_options: Options ``--data.*`` that change the data of the run.
        allow: Packages or classes that the run's configuration may name.
        command: Command line of the record.

    Returns:
        The run folder.

    Raises:
        InputError: If the file holds no weights of the model, or the folder holds something else.
    """
    path = Path(file).expanduser()
    folder = Path(model).resolve().parent / path.stem
    settings = runs.trusted_settings(model, allow)
    same_model = is_import_of(folder, path) and runs.trusted_settings(folder, allow)["model"] == settings["model"]
    if same_model:
        _print_original(f"{folder}, the import of {path}")
        return folder
    require(
        not folder.exists(),
        f"Expected no folder at {folder}, into which {path} is imported, got one of other content. Run unlearning-pl "
        f"import {path} --run FOLDER with another folder, and give that as --original.",
    )
    processes = math.prod(launched_processes().values())
    require(
        processes == 1,
        f"Expected a run folder as --original of {processes} processes, got the file {path}. Run unlearning-pl import "
        "first.",
    )
    words = ["--config", write_inline_yaml(settings), "--run", str(folder), *data_options]
    run, sentence = import_file(path, words, command)
    _print_original(sentence)
    return run


def _print_original(phrase: str) -> None:
    open_console().print(f"Original: {phrase}.", soft_wrap=True, highlight=False, markup=False)
