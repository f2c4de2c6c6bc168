"""Whether a run that a command would make is there already, without running the command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoints import ORIGINAL, checkpoint_path, read_checkpoint, weights_digest
from unlearning_pl.training.old_settings import upgrade_options

RESUMING = ["--ckpt_path", "last"]
"""Words behind a command with which its run goes on; the run that it ends with is that of the command alone."""


class _Parsed(UnlearningCLI):
    """The command up to the point where classes would be made."""

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
    """Parse a command line as the command itself does, and run nothing.

    Args:
        words: The command and its options.

    Returns:
        What the run's config.yaml would hold.

    Raises:
        InputError: If the words do not parse.

    Example:
        >>> configuration(["fit", "--model", "SimCLR", "--trainer.max_epochs", "3"])["trainer"]["max_epochs"]
        3
    """
    cli = run_training_command(words, _Parsed)
    parsed: dict[str, Any] = yaml.safe_load(cli._parser(words[0]).dump(cli.config[words[0]], skip_none=False))
    return parsed


def agrees(recorded: Any, now: Any) -> bool:
    """Whether a setting is as it was; settings that did not exist when it was recorded are not compared.

    Example:
        >>> agrees({"lr": 0.1}, {"lr": 0.1, "new": None}), agrees({"lr": 0.1}, {"lr": 0.2})
        (True, False)
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        return all(key in now and agrees(value, now[key]) for key, value in recorded.items())
    return bool(recorded == now)


def finished(words: Sequence[str], run: Path) -> bool:
    """Whether a run was made by this command, with the settings that it means now, from the original that is there.

    Args:
        words: The command and its options.
        run: The run folder that they name.

    Example:
        >>> finished(["fit", "--model", "SimCLR"], Path("nowhere"))
        False
    """
    try:
        record, _ = runs.read_record(run), checkpoint_path(run)
        began = _digest(record.get("original"))
    except InputError:  # absent or damaged
        return False
    made_by = record["command"][: -len(RESUMING)] if record["command"][-2:] == RESUMING else record["command"]
    if upgrade_options(made_by) != ["unlearning-pl", *upgrade_options(words)] or record.get(ORIGINAL) != began:
        return False
    return _means_the_same(words, run)


def interrupted(words: Sequence[str], run: Path) -> bool:
    """Whether a run of these settings, from the original that is there, stopped after a checkpoint and can go on.

    Args:
        words: The command and its options.
        run: The run folder that they name.

    Example:
        >>> interrupted(["fit", "--model", "SimCLR"], Path("nowhere"))
        False
    """
    if (run / runs.RECORD).exists():
        return False
    try:
        same = read_checkpoint(run).get(ORIGINAL) == _digest(configuration([*words]).get("original"))
    except InputError:  # it never came so far, or is damaged
        return False
    return same and _means_the_same(words, run)


def _digest(original: str | None) -> str | None:
    return None if original is None else weights_digest(original)


def _means_the_same(words: Sequence[str], run: Path) -> bool:
    try:
        recorded = runs.read_config(run)
    except InputError:  # absent or damaged
        return False
    now = configuration([*words])
    for config in (recorded, now):  # how a run was asked for, not what it is
        config["overwrite"] = config.setdefault("trainer", {})["overwrite"] = None
    return agrees(recorded, now)
