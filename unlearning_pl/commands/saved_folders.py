"""Folders of transformers on a command line, which become the files of weights in them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from unlearning_pl.training.saved_folder import weights_file

_OPTIONS = ("--model", "--original", "--weights", "--before", "--after", "--reference", "--run", "--like")
"""Options that take a file of weights in some command."""


def with_weights_files(command: str, words: Sequence[str]) -> list[str]:
    """Words of a command line with each folder that ``save_pretrained`` wrote replaced by its file of weights.

    Args:
        command: Name of the command; the first word of ``import`` is a file, too.
        words: The other words.

    Raises:
        InputError: If the weights of such a folder are in several files.

    Example:
        >>> with_weights_files("unlearn", ["--original", "runs/original"])
        ['--original', 'runs/original']
    """
    replaced = []
    for before, word in pairwise([command, *words]):
        option, equals, value = word.partition("=")
        if equals and option in _OPTIONS:
            replaced.append(f"{option}={_file(value)}")
        else:
            replaced.append(_file(word) if before in ("import", *_OPTIONS) else word)
    return replaced


def _file(word: str) -> str:
    path = Path(word).expanduser()
    file = weights_file(path)
    return word if file == path else str(file)
