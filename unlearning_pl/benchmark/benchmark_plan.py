"""Benchmark plans: YAML files that list what a benchmark compares, validated before anything runs."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from unlearning_pl.audits.embeddings import is_retrained
from unlearning_pl.benchmark.job import ORIGINAL, SINGLE_PROCESS, Job
from unlearning_pl.benchmark.plan_variants import VARIANTS, find_plan, stack_variants, variant_path
from unlearning_pl.benchmark.tuning_ranges import Range, read_tune
from unlearning_pl.cli.audit_options import audit_parser
from unlearning_pl.cli.command_parser import parse_args
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError, require, suggest_names
from unlearning_pl.evaluation.audit_report import check_audit_options
from unlearning_pl.learners import Learner
from unlearning_pl.training.trusted_classes import foreign_names
from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml, write_inline_yaml

_TEXT_KEYS = ("title", "fit", "unlearn", "audit", "notes")
_KEYS = (*_TEXT_KEYS, "forget", "methods", "references", "tune", VARIANTS)
_RESERVED = (
    *("--run", "--seed_everything", "--overwrite", "--ckpt_path", "--print_config", "--help", "-h"),
    *(f"--trainer.{name}" for name in SINGLE_PROCESS),
)
_RESERVED_BY_COMMAND = {
    "fit": ("--data.train_on", "--data.forget"),
    "unlearn": ("--forget", "--original"),
    "audit": ("--model", "--original", "--retrained", "--output", "--devices", "--num_nodes", "--allow"),
}


class Plan(NamedTuple):
    """One plan: the runs that one table compares.

    Attributes:
        path: The YAML file; its stem is the name of the output folder.
        title: Heading of the table.
        job: The commands of the runs.
        tune: Ranges by option, by row, that replace those of the package when the plan is tuned.
        notes: Markdown that the page has below its main table.
    """

    path: Path
    title: str
    job: Job
    tune: Mapping[str, Mapping[str, Range]] = MappingProxyType({})
    notes: str = ""


def read_plans(paths: Sequence[str], allow: Sequence[str] = ()) -> list[Plan]:
    """Read plans and parse all their command lines; classes that these name are allowed in the runs of the plan.

    Args:
        paths: YAML files with the keys ``fit``, ``forget`` and ``methods``, and optionally ``title``, ``unlearn``,
            ``audit``, ``references``, ``tune``, ``notes`` and ``variants``; or names of the package's, such as
            ``benchmarks/digits_simclr``. Variants follow the name: ``benchmarks/papers/muc+moco``, see
            :mod:`~unlearning_pl.benchmark.plan_variants`.
        allow: Further packages or classes that the configurations of the runs may name.

    Raises:
        InputError: If a file is not a valid plan, a command does not parse, or two plans have the same stem.
    """
    plans = [_read_plan(*find_plan(path)) for path in paths]
    stems = [plan.path.stem for plan in plans]
    duplicate = next((stem for stem in stems if stems.count(stem) > 1), None)
    require(
        duplicate is None,
        f"Expected plans with different names, got {duplicate} twice. Their runs would share a folder.",
    )
    named = [_foreign_classes([*parse_commands(plan).values()]) for plan in plans]
    return [
        plan._replace(job=replace(plan.job, allow=(*allow, *classes)))
        for plan, classes in zip(plans, named, strict=True)
    ]


def _read_plan(path: Path, variants: Sequence[str]) -> Plan:
    content = stack_variants(_read_mapping(path), variants, path)
    path = variant_path(path, variants)
    texts = {key: content.get(key, path.stem if key == "title" else "") for key in _TEXT_KEYS}
    for key, text in texts.items():
        require(isinstance(text, str), f"Expected text as {key} in {path}, got {text!r}. Write options of a command.")
        if key in _RESERVED_BY_COMMAND:
            _check_words(text, key, f"{key} in {path}")
    methods, request = _read_methods(content.get("methods"), path), _read_request(content.get("forget"), path)
    references = content.get("references", 1)
    require(
        isinstance(references, int) and not isinstance(references, bool) and 1 <= references <= 9,
        f"Expected references in {path} from 1 to 9, retrained models of each split, got {references!r}. Three "
        "show how far retrained models lie from one another.",
    )
    job = Job(texts["fit"], request, methods, texts["unlearn"], texts["audit"], references=references)
    tune = read_tune(content.get("tune", {}), methods, path)
    for row, options in tune.items():
        _check_words(" ".join(options), "unlearn", f"tune.{row} in {path}")
    return Plan(path, texts["title"], job, tune, texts["notes"])


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fault = describe_fault(error)
        raise InputError(f"Expected YAML in {path}, got: {fault}. Correct the file.") from error
    if not isinstance(content, dict):
        raise InputError(
            f"Expected a mapping in {path}, got {type(content).__name__}. Its keys are {', '.join(_KEYS)}."
        )
    for key in content:
        _check_key(key, path)
    added = content.get(VARIANTS)
    for variant in added.values() if isinstance(added, dict) else ():
        for key in variant if isinstance(variant, dict) else ():
            _check_key(key, path)
    return content


def _check_key(key: Any, path: Path) -> None:
    require(key in _KEYS, f"Expected the keys of a plan in {path}, got {key}. {suggest_names(str(key), _KEYS)}")


def _read_methods(methods: Any, path: Path) -> dict[str, str]:
    require(
        isinstance(methods, dict) and bool(methods),
        f"Expected methods in {path}, names with options of the command unlearn, got {methods!r}. Add one.",
    )
    for name, words in methods.items():
        require(
            isinstance(name, str) and re.fullmatch(r"\w[\w.+-]*", name) is not None,
            f"Expected names of letters, digits, _ + - . under methods in {path}, got {name!r}. They are folder names.",
        )
        require(
            name not in (ORIGINAL, "audit") and not is_retrained(name),
            f"Expected another name than {name} under methods in {path}, which is reserved. Rename it.",
        )
        require(
            isinstance(words, str),
            f"Expected text as methods.{name} in {path}, got {words!r}. Write options of unlearn.",
        )
        _check_words(words, "unlearn", f"methods.{name} in {path}")
    return dict(methods)


def _read_request(forget: Any, path: Path) -> dict[str, Any]:
    known = [field.name for field in fields(ForgetRequest) if field.name != "seed"]
    require(
        isinstance(forget, dict) and bool(forget),
        f"Expected a request under forget in {path}, for instance {{fraction: 0.1}}, got {forget!r}. Add it.",
    )
    for key in forget:
        require(key in known, f"Expected a request under forget in {path}, got {key}. {suggest_names(str(key), known)}")
    try:
        ForgetRequest(**forget)
    except TypeError as error:
        raise InputError(f"Expected numbers or names under forget in {path}, got {forget}. Correct them.") from error
    return dict(forget)


def _check_words(text: str, command: str, place: str) -> None:
    """Refuse text that a shell cannot split, and options that the benchmark sets."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(
            f"Expected options of a command as {place}, got {text!r}: {error}. Close the quote."
        ) from error
    for word in words:
        option = word.split("=")[0]
        reserved = option in _RESERVED or any(
            option == name or option.startswith(f"{name}.") for name in _RESERVED_BY_COMMAND[command]
        )
        require(not reserved, f"Expected {place} without {option}, which the benchmark sets. Leave it out.")


def _foreign_classes(parsed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Classes and functions of other packages that models and data of runs name: whoever writes a plan trusts them."""
    named: list[str] = []
    for settings in parsed:
        for key, expected in (("model", Learner), ("data", UnlearningData)):
            while found := next(foreign_names(settings[key], expected, named), None):
                named.append(found)
    return named


def parse_commands(plan: Plan) -> dict[str, dict[str, Any]]:
    """Parse each command line as the command does; unlearn gets the settings of fit, whose run does not exist yet.

    Returns:
        The configuration of each run by its name, with seed 0.

    Raises:
        InputError: If a line does not parse, or its files set an option that the benchmark sets.

    Example:
        >>> job = Job("--model SimCLR", {"count": 8}, {"tune": "--method FineTune --optimizer.lr 0.1"})
        >>> parse_commands(Plan(Path("plan.yaml"), "", job))["tune"]["optimizer"]["init_args"]["lr"]
        0.1
    """
    everything: dict[str, dict[str, Any]] = {}
    lines = plan.job.runs(0, plan.path.stem)
    settings: dict[str, Any] = {}
    for name, line in lines.items():
        command, *words = shlex.split(line)
        if name in plan.job.methods:  # the last --original wins, and the parser accepts any file as weights
            inherited = write_inline_yaml({key: settings[key] for key in ("model", "data")})
            words = ["--config", inherited, *words, "--original", __file__]
        try:
            parsed = configuration([command, *words])
        except InputError as error:
            raise InputError(f"{plan.path}, {name}: {error}") from error
        # A --config file could set an option that _check_words refuses on the command line.
        given = parsed | {f"trainer.{key}": parsed["trainer"][key] for key in SINGLE_PROCESS}
        for key, value in _reserved_values(plan, name, command).items():
            require(
                given.get(key) == value,
                f"Expected the options of {name} in {plan.path} without {key}, which the benchmark sets, got a "
                f"--config file with {key} = {given.get(key)}. Remove it from that file.",
            )
        settings = parsed if name == "original" else settings
        everything[name] = parsed
    _parse_audit(plan)
    return everything


def _parse_audit(plan: Plan) -> None:
    """Parse the line of the audit, and check the values that the audit would only refuse after all trainings."""
    words = shlex.split(plan.job.report(plan.path.stem, plan.job.methods))[1:]
    try:
        options = parse_args(audit_parser(), words)
        require(not options.config, "Expected options, got a --config file. Write its settings into the plan.")
        keys = ("views", "relearning", "retain_relearning", "level", "margin", "page", "trackers")
        check_audit_options(*(options[key] for key in keys))
    except InputError as error:
        raise InputError(f"{plan.path}, audit: {error}") from error


def _reserved_values(plan: Plan, name: str, command: str) -> dict[str, Any]:
    request = {field.name: None for field in fields(ForgetRequest)} | dict(plan.job.forget) | {"seed": 0}
    values: dict[str, Any] = {"run": f"{plan.path.stem}/{name}", "ckpt_path": None}
    values |= {f"trainer.{key}": value for key, value in SINGLE_PROCESS.items()}
    return values | ({"forget": request} if command == "unlearn" else {})
