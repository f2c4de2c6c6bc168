"""Plans: YAML files that say what a benchmark compares. Everything in them is checked before anything runs."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from unlearning_pl.benchmark.job import REFERENCES, SINGLE_PROCESS, Job
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import ForgetRequest
from unlearning_pl.errors import InputError, nearest, require

_TEXTS = ("title", "fit", "unlearn", "audit")
_KEYS = (*_TEXTS, "forget", "methods")
_OURS = (
    *("--run", "--seed_everything", "--overwrite", "--ckpt_path", "--print_config", "--help", "-h"),
    *(f"--trainer.{name}" for name in SINGLE_PROCESS),
)
_TAKEN = {
    "fit": ("--data.train_on", "--data.forget"),
    "unlearn": ("--forget", "--original"),
}

_AUDIT = r"(--views[ =](?!0*1?(?!\d))\d+)?( ?--precision[ =](32-true|bf16-mixed|16-mixed))?"


class Plan(NamedTuple):
    """What one table compares.

    Attributes:
        path: The file; its stem names the folder.
        title: Heading of the table.
        job: The commands.
    """

    path: Path
    title: str
    job: Job


def read_plans(paths: Sequence[str]) -> list[Plan]:
    """Read plans and parse every command line of theirs.

    Args:
        paths: YAML files with the keys ``fit``, ``forget`` and ``methods``, and where wanted ``title``, ``unlearn`` and
            ``audit``.

    Raises:
        InputError: If a file is no plan, a command would not parse, or two plans have one stem.
    """
    plans = [_read(Path(path)) for path in paths]
    stems = [plan.path.stem for plan in plans]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    require(twice is None, f"Expected plans with different names, got {twice} twice. Their runs would share a folder.")
    for plan in plans:
        _parse(plan)
    return plans


def _read(path: Path) -> Plan:
    require(path.is_file(), f"Expected a plan, got {path}, which is no file. Plans lie under configs/benchmarks/.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"Expected YAML in {path}, got: {error}. Correct the file.") from error
    require(
        isinstance(content, dict), f"Expected a plan of keys in {path}, got something else. Name {', '.join(_KEYS)}."
    )
    for key in content:
        require(key in _KEYS, f"Expected the keys of a plan in {path}, got {key}. {nearest(str(key), _KEYS)}")
    texts = {key: content.get(key, path.stem if key == "title" else "") for key in _TEXTS}
    for key, text in texts.items():
        require(isinstance(text, str), f"Expected text as {key} in {path}, got {text!r}. Write words of a command.")
        if key in _TAKEN:
            _check_words(text, key, f"{key} in {path}")
    methods = _methods(content.get("methods"), path)
    require(
        re.fullmatch(_AUDIT, texts["audit"]) is not None,
        f"Expected --views and a number from 2, and --precision, as audit in {path}, got {texts['audit']!r}. "
        "The papers use --views 10.",
    )
    job = Job(texts["fit"], _forget(content.get("forget"), path), methods, texts["unlearn"], texts["audit"])
    return Plan(path, texts["title"], job)


def _methods(methods: Any, path: Path) -> dict[str, str]:
    require(
        isinstance(methods, dict) and bool(methods),
        f"Expected methods in {path}, names with words of the command unlearn, got {methods!r}. Add one.",
    )
    for name, words in methods.items():
        require(
            isinstance(name, str) and re.fullmatch(r"\w[\w.+-]*", name) is not None,
            f"Expected names of letters, digits, _ + - . under methods in {path}, got {name!r}. They name folders.",
        )
        require(
            name not in (*REFERENCES, "audit"),
            f"Expected another name than {name} under methods in {path}, which has a folder already. Rename it.",
        )
        require(isinstance(words, str), f"Expected words as methods.{name} in {path}, got {words!r}. Write options.")
        _check_words(words, "unlearn", f"methods.{name} in {path}")
    return dict(methods)


def _forget(forget: Any, path: Path) -> dict[str, Any]:
    known = [field.name for field in fields(ForgetRequest) if field.name != "seed"]
    require(
        isinstance(forget, dict) and bool(forget),
        f"Expected a request under forget in {path}, for instance {{fraction: 0.1}}, got {forget!r}. Add it.",
    )
    for key in forget:
        require(key in known, f"Expected a request under forget in {path}, got {key}. {nearest(str(key), known)}")
    try:
        ForgetRequest(**forget)
    except TypeError as error:
        raise InputError(f"Expected numbers or names under forget in {path}, got {forget}. Correct them.") from error
    return dict(forget)


def _check_words(text: str, command: str, place: str) -> None:
    """Refuse words that no shell would split, and options that the benchmark sets itself."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"Expected words of a command as {place}, got {text!r}: {error}. Close the quote.") from error
    for word in words:
        option = word.split("=")[0]
        taken = option in _OURS or any(option == name or option.startswith(f"{name}.") for name in _TAKEN[command])
        require(not taken, f"Expected {place} without {option}, which the benchmark sets. Leave it out.")


def _parse(plan: Plan) -> None:
    """Parse each command line as the command would, with the settings of the fit for a run that does not exist yet."""
    lines = plan.job.runs(0, plan.path.stem)
    settings: dict[str, Any] = {}
    for name, line in lines.items():
        command, *words = shlex.split(line)
        if name not in REFERENCES:  # the last --original is the one that counts, and any file passes for weights here
            inherited = json.dumps({key: settings[key] for key in ("model", "data")})
            words = ["--config", inherited, *words, "--original", str(plan.path)]
        try:
            parsed = configuration([command, *words])
        except InputError as error:
            raise InputError(f"{plan.path}, {name}: {error}") from error
        # A file that is named with --config may set what no word may.
        given = parsed | {f"trainer.{key}": parsed["trainer"][key] for key in SINGLE_PROCESS}
        for key, ours in _set_by_us(plan, name, command).items():
            require(
                given.get(key) == ours,
                f"Expected the words of {name} in {plan.path} without {key}, which the benchmark sets, got a "
                f"--config file with {key} = {given.get(key)}. Take it out of that file.",
            )
        settings = parsed if name == "original" else settings


def _set_by_us(plan: Plan, name: str, command: str) -> dict[str, Any]:
    request = {field.name: None for field in fields(ForgetRequest)} | dict(plan.job.forget) | {"seed": 0}
    ours: dict[str, Any] = {"run": f"{plan.path.stem}/{name}", "ckpt_path": None}
    ours |= {f"trainer.{key}": value for key, value in SINGLE_PROCESS.items()}
    return ours | ({"forget": request} if command == "unlearn" else {})


class _Loader(yaml.SafeLoader):
    """YAML without keys that are given twice, of which only the last would count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice} twice")
        return super().construct_mapping(node, deep)
