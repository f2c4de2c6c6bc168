"""What is tuned in each row of a plan: the ranges of its options, and the plan's own values of them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from unlearning_pl.benchmark.benchmark_plan import Plan, parse_commands
from unlearning_pl.benchmark.job import ORIGINAL
from unlearning_pl.benchmark.tuning_ranges import Range, shipped_ranges, widen_range
from unlearning_pl.errors import InputError, require
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml


class SearchSpace(NamedTuple):
    """What is tuned in a row of a plan.

    Attributes:
        ranges: Range by option; each contains the plan's own value.
        own: The plan's own value by option.
        settings: The whole configuration of the row, and those of the original and the retrained models.
    """

    ranges: Mapping[str, Range]
    own: Mapping[str, Any]
    settings: Mapping[str, Any]


def search_spaces(plan: Plan) -> dict[str, SearchSpace]:
    """The search space of each row of a plan; parses the command lines with the ends of all ranges.

    Raises:
        InputError: If a row has no ranges, an option is unknown to its command, or a value does not parse.

    Example:
        >>> from pathlib import Path
        >>> from unlearning_pl.benchmark.job import Job
        >>> job = Job("--model SimCLR", {"count": 8}, {"fine_tune": "--method FineTune --optimizer.lr 0.05"})
        >>> search_spaces(Plan(Path("plan.yaml"), "", job))["fine_tune"].own
        {'--optimizer.lr': 0.05}
    """
    parsed = parse_commands(plan)
    ranges = {row: _ranges(plan, row, parsed[row]) for row in plan.job.methods}
    _parse_ends(plan, ranges)
    shared = {name: parsed[name] for name in (ORIGINAL, *plan.job.retrained)}
    spaces = {}
    for row, given in ranges.items():
        own = {option: _own_value(parsed[row], option, f"{option} in {plan.path}, {row}") for option in given}
        widened = {option: widen_range(given[option], own[option], f"{option} in {plan.path}, {row}") for option in own}
        spaces[row] = SearchSpace(widened, own, {**shared, row: parsed[row]})
    return spaces


def option_words(settings: Mapping[str, Any]) -> str:
    """Options and their values as words of a command line.

    Example:
        >>> option_words({"--optimizer.lr": 0.01, "--schedule": "cosine", "--method.stop": False})
        '--optimizer.lr 0.01 --schedule cosine --method.stop false'
    """
    words = (
        (option, value if isinstance(value, str) else write_inline_yaml(value)) for option, value in settings.items()
    )
    return shlex.join(word for pair in words for word in pair)


def _ranges(plan: Plan, row: str, parsed: Mapping[str, Any]) -> Mapping[str, Range]:
    if row in plan.tune:
        return plan.tune[row]
    require(
        parsed["method"] is not None,
        f"Expected --method in the row {row} of {plan.path} to tune it, got plug-ins alone. Write --method CoUn in "
        "place of its plug-ins, or give ranges of the row under tune in the plan.",
    )
    method = str(parsed["method"]["class_path"]).rpartition(".")[2]
    ranges = shipped_ranges(row, method)
    require(
        bool(ranges),
        f"Expected ranges for the row {row} in {plan.path} to tune it, got none for its name or for {method}. Add them "
        f"under tune in the plan: {{{row}: {{--optimizer.lr: {{low: 0.001, high: 0.1, log: true}}}}}}.",
    )
    return ranges


def _parse_ends(plan: Plan, ranges: Mapping[str, Mapping[str, Range]]) -> None:
    """Parse the command of each row with the first values of all its ranges, the second, and so on."""
    methods = {}
    for row, given in ranges.items():
        for place in range(max(len(one.ends()) for one in given.values())):
            settings = {option: _at(one.ends(), place) for option, one in given.items()}
            methods[f"{row}.range{place + 1}"] = f"{plan.job.methods[row]} {option_words(settings)}"
    parse_commands(plan._replace(job=replace(plan.job, methods=methods)))


def _at(values: Sequence[Any], place: int) -> Any:
    return values[min(place, len(values) - 1)]


def _own_value(parsed: Mapping[str, Any], option: str, place: str) -> Any:
    """The value of an option in a configuration; of an option that chooses a class, its name."""
    value: Any = parsed
    for key in option.removeprefix("--").split("."):
        value = value[-1] if isinstance(value, list) and value else value  # the last of several plug-ins
        if isinstance(value, Mapping) and key not in value:
            value = value.get("init_args")
        if not isinstance(value, Mapping) or key not in value:
            raise InputError(f"Expected an option that the run records as {place}, got another. Leave it out.")
        value = value[key]
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    return value
