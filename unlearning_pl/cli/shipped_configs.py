"""Configuration files that come with the package, found by their names."""

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.errors import InputError, quote, require

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Where the files are: in the package as setup.py installs it, or beside it in a source tree."""
_LIST = "Run `unlearning-pl configs` for the names of the package's."


def shipped_configs() -> dict[str, Path]:
    """The configuration files of the package by name: folder and stem, in alphabetical order.

    Raises:
        InputError: If the package was installed without them.

    Example:
        >>> shipped_configs()["methods/neg_grad"].name
        'neg_grad.yaml'
    """
    place = next((place for place in _PLACES if place.is_dir()), None)
    if place is None:
        raise InputError(
            f"Expected configuration files in {_PLACES[0]}, got no such folder. Install the package again."
        )
    return {path.relative_to(place).with_suffix("").as_posix(): path for path in sorted(place.glob("*/**/*.yaml"))}


def shipped_config(name: str) -> Path:
    """Find a configuration file of the package.

    Args:
        name: Folder and stem, such as ``methods/neg_grad``; ``configs/`` before it and ``.yaml`` after it are optional.

    Raises:
        InputError: If there is none of that name; with the nearest names as the remedy.

    Example:
        >>> shipped_config("configs/methods/neg_grad.yaml") == shipped_config("methods/neg_grad")
        True
        >>> shipped_config("ssd")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a configuration of the package, got 'ssd'. Did you mean methods/ssd?
    """
    configs = shipped_configs()
    path = configs.get(_key(name))
    if path is None:
        raise InputError(f"Expected a configuration of the package, got {quote(name)}. {_suggest(name, configs)}")
    return path


def find_config(name: str) -> str:
    """Path of a configuration that a user names: an existing file, or else a file of the package.

    Args:
        name: A path, or the name of a file of the package as for :func:`shipped_config`.

    Raises:
        InputError: If there is neither, or if only the suffix decides which of the two it is.

    Example:
        >>> Path(find_config("configs/methods/neg_grad.yaml")).name
        'neg_grad.yaml'
    """
    path = Path(os.path.expanduser(name))
    if os.path.exists(path) and not os.path.isdir(path):
        return name
    configs = shipped_configs()
    shipped = configs.get(_key(name))
    if shipped is None:
        raise InputError(f"Expected a configuration, got {quote(name)}, which is no file. {_suggest(name, configs)}")
    other = Path(f"{name}.yaml")
    require(
        not other.is_file() or other.samefile(shipped),
        f"Expected one configuration, got {quote(name)}, which may be the file {other} or the package's own. "
        f"Write {other} for the file, or rename it.",
    )
    return str(shipped)


def find_configs(args: Sequence[str]) -> list[str]:
    """Replace the names of the package's configurations after ``--config`` in a command line by their paths.

    Args:
        args: The command and its options. Settings as text, such as ``{seed_everything: 1}``, stay as they are.

    Raises:
        InputError: As :func:`find_config`.

    Example:
        >>> option, path = find_configs(["fit", "--config", "experiments/simclr_digits"])[1:]
        >>> option, Path(path).name
        ('--config', 'simclr_digits.yaml')
    """
    words: list[str] = []
    for word, before in zip(args, ["", *args], strict=False):
        option, equals, value = word.partition("=")
        if option in ("--config", "-c") and equals:
            words.append(f"{option}={_find(value)}")
        else:
            words.append(_find(word) if before in ("--config", "-c") else word)
    return words


def describe_config(path: Path) -> str:
    """What a configuration is: its first comment after the command in the first line.

    Example:
        >>> describe_config(shipped_config("methods/ssd"))
        'Shrink the weights that matter for the forget set, without training (arXiv 2308.07707).'
    """
    comments = [line.removeprefix("# ") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    return next((comment for comment in comments if not comment.startswith("unlearning-pl ")), "")


def _find(value: str) -> str:
    """The path of a configuration; settings as text, which no name of a file resembles, are returned."""
    return value if re.search(r"[{}:\n]", value) and not os.path.exists(value) else find_config(value)


def _key(name: str) -> str:
    return name.removeprefix("configs/").removesuffix(".yaml")


def _suggest(name: str, configs: dict[str, Path]) -> str:
    """A sentence with the names whose last part is nearest; users know the file, and mistake its folder."""
    stems = {path.stem for path in configs.values()}
    near = difflib.get_close_matches(_key(name).rpartition("/")[2].lower().replace("-", "_"), stems, cutoff=0.7)
    names = [other for stem in near for other, path in configs.items() if path.stem == stem]
    return f"Did you mean {' or '.join(names[:3])}?" if names else _LIST
