"""Checks whether the run of a command is finished or interrupted, without running the command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.deprecated.old_settings import upgrade_options
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import ORIGINAL, checkpoint_path, read_checkpoint, weights_digest

RESUME_OPTIONS = ["--ckpt_path", "last"]
"""Options that resume the run of a command; the finished run equals that of the command without them."""


class _ParseOnlyCLI(UnlearningCLI):
    """Parses a command and stops before it instantiates classes."""

    @override
    def _set_seed(self) -> None:
        pass

    @override
    def instantiate_classes(self) -> None:
        pass

    @override
    def after_instantiate_classes(self) -> None:
        pass

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        pass


def configuration(words: list[str]) -> dict[str, Any]:
    """Parse a command line as the command itself does, without running it.

    Args:
        words: The command and its options.

    Returns:
        The content that the run's config.yaml would have.

    Raises:
        InputError: If the command line cannot be parsed.

    Example:
        >>> configuration(["fit", "--model", "SimCLR", "--trainer.max_epochs", "3"])["trainer"]["max_epochs"]
        3
    """
    cli = run_training_command(words, _ParseOnlyCLI)
    parsed: dict[str, Any] = yaml.safe_load(cli._parser(words[0]).dump(cli.config[words[0]], skip_none=False))
    return parsed


def settings_match(recorded: Any, now: Any) -> bool:
    """Whether a setting equals the recorded one; keys that were not recorded are not compared.

    Example:
        >>> settings_match({"lr": 0.1}, {"lr": 0.1, "new": None}), settings_match({"lr": 0.1}, {"lr": 0.2})
        (True, False)
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        return all(key in now and settings_match(value, now[key]) for key, value in recorded.items())
    return bool(recorded == now)


def is_finished_run(words: Sequence[str], run: Path) -> bool:
    """Whether a finished run exists that this command made, with its current settings, from the current original.

    Args:
        words: The command and its options.
        run: The run folder of the command.

    Example:
        >>> is_finished_run(["fit", "--model", "SimCLR"], Path("nowhere"))
        False
    """
    try:
        record, _ = runs.read_record(run), checkpoint_path(run)
        digest = _digest(record.get("original"))
    except InputError:  # absent or damaged
        return False
    command = (
        record["command"][: -len(RESUME_OPTIONS)] if record["command"][-2:] == RESUME_OPTIONS else record["command"]
    )
    if upgrade_options(command) != ["unlearning-pl", *upgrade_options(words)] or record.get(ORIGINAL) != digest:
        return False
    return _has_same_settings(words, run)


def can_resume(words: Sequence[str], run: Path) -> bool:
    """Whether an unfinished run has a checkpoint to resume, with the command's settings, from the current original.

    Args:
        words: The command and its options.
        run: The run folder of the command.

    Example:
        >>> can_resume(["fit", "--model", "SimCLR"], Path("nowhere"))
        False
    """
    if (run / runs.RECORD).exists():
        return False
    try:
        same_original = read_checkpoint(run).get(ORIGINAL) == _digest(configuration([*words]).get("original"))
    except InputError:  # there is no checkpoint, or a file is damaged
        return False
    return same_original and _has_same_settings(words, run)


def _digest(original: str | None) -> str | None:
    return None if original is None else weights_digest(original)


def _has_same_settings(words: Sequence[str], run: Path) -> bool:
    try:
        recorded = runs.read_config(run)
    except InputError:  # absent or damaged
        return False
    current = configuration([*words])
    for config in (recorded, current):  # the same run with and without --overwrite
        config["overwrite"] = config.setdefault("trainer", {})["overwrite"] = None
    return settings_match(recorded, current)
