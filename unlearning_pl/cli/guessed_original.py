"""The model of ``unlearn --original FILE``, guessed where no option names it."""

from collections.abc import Callable
from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch.utilities import rank_zero_info

from unlearning_pl.cli.file_options import complete_options, names_model
from unlearning_pl.cli.prepended_config import last_value


def with_guessed_model(args: list[str], parse: Callable[[list[str]], Namespace]) -> list[str]:
    """Add the options of the model that a file given as original holds; a note says what was guessed.

    Args:
        args: The command and its options; those that name a model, or no file, are left as they are.
        parse: The parser of the command.

    Raises:
        InputError: If no model is known by the tensors of the file.

    Example:
        >>> with_guessed_model(["unlearn", "--original", "runs/original"], Namespace)
        ['unlearn', '--original', 'runs/original']
    """
    command, *words = args
    file = last_value(words, "--original") if command == "unlearn" else None
    if file is None or not Path(file).is_file() or names_model(words) or {"-h", "--help"} & {*words}:
        return args
    words, notes = complete_options(Path(file), words, lambda words: parse([command, *words])[command].as_dict())
    for note in notes:
        rank_zero_info(note)
    return [command, *words]
