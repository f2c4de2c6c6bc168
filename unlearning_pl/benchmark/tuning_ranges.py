"""Ranges of the options that are tuned: read from YAML, one a row of a plan, and widened to the plan's own settings."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from unlearning_pl.cli.shipped_configs import shipped_configs
from unlearning_pl.errors import InputError, quote, require, suggest_names
from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml

_KEYS = ("low", "high", "log")
_FORMS = "Write {low: 0.001, high: 0.1, log: true}, or choices such as [1, 2, 4]"


class Range(NamedTuple):
    """Values among which an option is tuned: an interval of numbers, or choices.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether values are drawn on a logarithmic scale.
        choices: The values, if they are listed; ``low``, ``high`` and ``log`` are unused then.
        whole: Whether the values are whole numbers, as those of an option such as ``--trainer.max_epochs``.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def describe(self) -> str:
        """The range as text.

        Example:
            >>> Range(0.001, 0.1, log=True).describe(), Range(choices=(1, "mean")).describe()
            ('0.001 to 0.1 (log)', '1, mean')
        """
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"

    def ends(self) -> list[Any]:
        """The choices, or the two ends.

        Example:
            >>> Range(1, 4).ends()
            [1, 4]
        """
        return list(self.choices) or [self.low, self.high]

    def at(self, share: float) -> Any:
        """The value at a share of the range, 0 <= share < 1: uniform in it, or in its logarithm.

        Example:
            >>> Range(0.001, 0.1, log=True).at(0.5), Range(1, 4, whole=True).at(0.99), Range(choices=("a", "b")).at(0.2)
            (0.01, 4, 'a')
        """
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        return min(max(round(value), int(self.low)), int(self.high)) if self.whole else float(f"{value:.12g}")


def parse_ranges(content: Any, place: str) -> dict[str, Range]:
    """Read the ranges of a row: a mapping of an option of ``unlearn`` to its range.

    Args:
        content: What YAML has at ``place``.
        place: Where it is, for messages.

    Raises:
        InputError: If it is no such mapping.

    Example:
        >>> parse_ranges({"--method.layers": [1, 2]}, "tune.not")["--method.layers"].choices
        (1, 2)
    """
    require(
        isinstance(content, dict) and bool(content),
        f"Expected options and their ranges as {place}, got {quote(content)}. {_FORMS}.",
    )
    for option in content:
        require(
            isinstance(option, str) and option.startswith("--") and not set(option) & set(" ="),
            f"Expected an option such as --optimizer.lr in {place}, got {quote(option)}. Write it with two dashes.",
        )
    return {option: _parse_range(value, f"{option} in {place}") for option, value in content.items()}


def read_tune(tune: Any, methods: Mapping[str, str], path: Path) -> dict[str, dict[str, Range]]:
    """Read the key ``tune`` of a plan: ranges by option, by row.

    Args:
        tune: Its value.
        methods: The rows of the plan.
        path: The plan, for messages.

    Raises:
        InputError: If a row is none of the plan's, or its ranges are invalid.

    Example:
        >>> read_tune({"a": {"--optimizer.lr": {"low": 1, "high": 2}}}, {"a": ""}, Path("x"))["a"]["--optimizer.lr"].low
        1
    """
    if not isinstance(tune, dict):
        raise InputError(f"Expected rows with ranges under tune in {path}, got {quote(tune)}. Correct it.")
    for row in tune:
        require(
            row in methods,
            f"Expected rows of methods under tune in {path}, got {row}. {suggest_names(str(row), methods)}",
        )
    return {row: parse_ranges(content, f"tune.{row} in {path}") for row, content in tune.items()}


def shipped_ranges(row: str, method: str) -> dict[str, Range]:
    """The ranges that come with the package for a row of a plan; empty if there are none.

    Args:
        row: Name of the row, whose file ``configs/tuning/ROW.yaml`` comes first.
        method: Class name of its method, the snake case of which names the file otherwise.

    Example:
        >>> [*shipped_ranges("my_row", "GradientAscent")]
        ['--optimizer.lr']
    """
    files = {name.removeprefix("tuning/"): path for name, path in shipped_configs().items() if name[:7] == "tuning/"}
    stem = row if row in files else next((stem for stem in files if stem.replace("_", "") == method.lower()), None)
    return {} if stem is None else _read_file(files[stem])


def widen_range(given: Range, own: Any, place: str) -> Range:
    """A range that contains the plan's own value: models of another size need rates beyond those of a paper.

    Args:
        given: The range.
        own: The value of the option in the plan, which also says whether values are whole numbers.
        place: The option, for messages.

    Raises:
        InputError: If the range has other values than the option.

    Example:
        >>> widen_range(Range(0.003, 0.03, log=True), 0.1, "--optimizer.lr").describe()
        '0.003 to 0.1 (log)'
    """
    if given.choices:
        _require_scalars([own], f"the plan's own value of {place}")
        return given if own in given.choices else given._replace(choices=(*given.choices, own))
    require(
        _is_number(own) and not (given.log and own <= 0),
        f"Expected a number{' above 0' if given.log else ''} as the plan's own value of {place}, got {quote(own)}. "
        "Give choices, or another value in the plan.",
    )
    whole = isinstance(own, int)
    require(
        not whole or all(float(end).is_integer() for end in given.ends()),
        f"Expected whole numbers as the range of {place}, got {given.describe()}. Correct it.",
    )
    low, high = min(given.low, own), max(given.high, own)
    return given._replace(low=int(low) if whole else low, high=int(high) if whole else high, whole=whole)


def _read_file(path: Path) -> dict[str, Range]:
    try:
        return parse_ranges(read_yaml(path.read_text(encoding="utf-8")), str(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"Expected YAML in {path}, got: {describe_fault(error)}. Correct the file.") from error


def _parse_range(value: Any, place: str) -> Range:
    if isinstance(value, list):
        _require_scalars(value, place)
        require(
            len(value) > 1, f"Expected several choices for {place}, got {quote(value)}. Write the one into the row."
        )
        twice = next((one for one in value if value.count(one) > 1), None)
        require(twice is None, f"Expected different choices for {place}, got {quote(value)}. Write each once.")
        return Range(choices=tuple(value))
    require(isinstance(value, dict), f"Expected a range for {place}, got {quote(value)}. {_FORMS}.")
    for key in value:
        require(key in _KEYS, f"Expected low, high and log for {place}, got {key}. {suggest_names(str(key), _KEYS)}")
    low, high, log = value.get("low"), value.get("high"), value.get("log", False)
    require(
        _is_number(low) and _is_number(high) and low < high,
        f"Expected numbers low < high for {place}, got {quote(low)} and {quote(high)}. Correct them.",
    )
    require(isinstance(log, bool), f"Expected true or false as log for {place}, got {quote(log)}. Correct it.")
    require(not log or low > 0, f"Expected low above 0 for {place} on a logarithmic scale, got {low}. Raise it.")
    return Range(low, high, log)


def _require_scalars(values: Sequence[Any], place: str) -> None:
    for value in values:
        require(
            isinstance(value, (bool, int, str, type(None))) or _is_number(value),
            f"Expected numbers, words, true, false or null as {place}, got {quote(value)}. Leave it out of the ranges.",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
