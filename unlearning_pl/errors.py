"""Exceptions of the package, and suggestions of near names for error messages."""

import difflib
import re
from collections.abc import Iterable

from unlearning_pl.option_words import user_words

MAX_QUOTED = 200
"""Maximum number of characters of a value in an error message."""
_MAX_LINE = 2000
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180b-\u180e\u2800\u3164\uffa0\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)


class InputError(ValueError):
    """The user's input is invalid.

    The message is one line that names the field, the value and the remedy; the commands print it without a
    traceback and exit with code 2. It is written with the options of the commands; outside of a command it names the
    arguments of Python (:func:`unlearning_pl.option_words.user_words`).

    Example:
        >>> raise InputError("Expected alpha >= 0, got -1. Choose a coefficient that is not negative.")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected alpha >= 0, got -1. Choose a coefficient that is not negative.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(user_words(message))


def require(condition: bool, message: str) -> None:
    """Raise :class:`InputError` with ``message`` unless ``condition`` holds.

    Example:
        >>> require(1 < 2, "not raised")
    """
    if not condition:
        raise InputError(message)


def printable(text: object, keep: str = "") -> str:
    r"""Text whose control characters are visible as escapes: no name can steer a terminal or reorder a line.

    Controls, separators of lines, directions of writing (U+202E), invisible marks and bytes that are no UTF-8 are
    replaced. The two marks that join letters in Persian, Hindi and emoji stay.

    Args:
        text: The text, or an object that has one.
        keep: Characters that stay, such as a line feed.

    Example:
        >>> print(printable("cat\x1b[2J\n"), printable("naïve 猫\u3000x"))
        cat\x1b[2J\n naïve 猫\u3000x
    """
    return _INVISIBLE.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), str(text))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def error_line(message: str) -> str:
    r"""An error message as one printable line in which no word is longer than :data:`MAX_QUOTED` characters.

    Example:
        >>> error_line("Expected a name,\n  got \x1b[2J. Rename it.")
        'Expected a name, got \\x1b[2J. Rename it.'
    """
    parts = [part.strip(" ") for part in re.split(r"\r?\n", message)]
    line = printable(" ".join(part for part in parts if part))
    line = re.sub(rf"\S{{{MAX_QUOTED + 1},}}", lambda word: f"{word[0][:120]}...{word[0][-77:]}", line)
    return line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 500]} ... {line[-480:]}"


def shorten(text: str, length: int = MAX_QUOTED) -> str:
    """The beginning of a text, of at most ``length`` characters.

    Example:
        >>> shorten("a" * 1000, 10), shorten("cat")
        ('aaaaaaa...', 'cat')
    """
    return text if len(text) <= length else f"{text[: length - 3]}..."


def quote(value: object, length: int = MAX_QUOTED) -> str:
    """A value as an error message quotes it, of at most ``length`` characters.

    Example:
        >>> quote("a" * 1000, 10), quote(17), quote(10**5000)
        ("'aaaaaa...", '17', 'a number of too many digits')
    """
    try:
        return shorten(repr(value), length)
    except ValueError:  # Python's limit on the digits of a number
        return "a number of too many digits"


def shown(name: object, length: int = 100) -> str:
    r"""A stranger's name as an error message shows it: printable, and of at most ``length`` characters.

    Example:
        >>> print(shown("fc.weight"), shown(chr(27) + "[2J"), shown("a" * 200, 10))
        fc.weight \x1b[2J aaaaaaa...
    """
    return shorten(printable(name), length)


def reason(error: BaseException) -> str:
    r"""The message of another library's error on one line, without its full stop; the name of its type if it has none.

    Example:
        >>> reason(ValueError("Too many\n devices.")), reason(ValueError())
        ('Too many devices', 'ValueError')
    """
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


class DivergedError(RuntimeError):
    """Training diverged: the loss or a weight became NaN or infinite."""


class UnfinishedError(RuntimeError):
    """Part of a job failed; the rest of the job is finished."""


class StorageError(RuntimeError):
    """A job can no longer write its files: the disk is full, or the folder has vanished."""


class PreemptedError(RuntimeError):
    """A signal asked a run to end, and the run ended; a checkpoint of its last step is saved.

    Args:
        signal: Number of the signal.
        outcome: Outcome of requeueing the job, in a few words; empty if the job is not requeued.
    """

    def __init__(self, signal: int, outcome: str) -> None:
        super().__init__(outcome)
        self.signal = signal


def suggest_names(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Suggest known names for an unknown one: the closest matches, or else all known names.

    The comparison ignores case, dashes and underscores.

    Args:
        name: The unknown name.
        known: The valid names.
        otherwise: Sentence to return in place of a list of all names, where there are too many of them or none.

    Returns:
        One sentence for the end of an error message.

    Example:
        >>> suggest_names("fine_tun", ["FineTune", "NegGrad"])
        'Did you mean FineTune?'
        >>> suggest_names("x", ["FineTune", "NegGrad"])
        'Choose from FineTune, NegGrad.'
    """
    normalized = _normalize(name)
    similarity = {other: difflib.SequenceMatcher(None, _normalize(other), normalized).ratio() for other in known}
    best = max(similarity.values(), default=0.0)
    if best >= 0.6:
        close = sorted((other for other in similarity if similarity[other] > best - 0.1), key=lambda x: -similarity[x])
        return f"Did you mean {' or '.join(close[:3])}?"
    return otherwise or f"Choose from {', '.join(similarity)}."


def _normalize(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
