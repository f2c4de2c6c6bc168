"""Checks whether the run of a command is finished or interrupted, without running the command."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from jsonargparse import Namespace
from lightning.pytorch.cli import ArgsType, LightningArgumentParser
from typing_extensions import override

from unlearning_pl.cli.command_parser import data_from_options
from unlearning_pl.cli.deciding_settings import FREE
from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.learners.optimizer_settings import NOT_RECORDED
from unlearning_pl.report import read_report
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import ORIGINAL, checkpoint_path, read_checkpoint, weights_digest
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.resume import NORMALISATION, normalisation
from unlearning_pl.yaml_text.yaml_settings import read_yaml

RESUME_OPTIONS = ["--ckpt_path", "last"]
"""Options that resume the run of a command; the finished run equals that of the command without them."""


class _ParseOnlyCLI(UnlearningCLI):
    """Parses a command and stops before it instantiates classes.

    A plan has dozens of command lines, and making a parser takes half as long as parsing one: each command's is made
    once.
    """

    _parsers: ClassVar[dict[str, dict[str, Any]]] = {}  # by command: the attributes that setup_parser sets

    @override
    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        (command,) = subparser_kwargs
        if command in self._parsers:
            vars(self).update(self._parsers[command])
            return
        before = {*vars(self)}
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        self._parsers[command] = {name: value for name, value in vars(self).items() if name not in before}

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        try:
            super().parse_arguments(parser, args)
        except BaseException:  # an interrupted parse may leave something in the parser
            self._parsers.clear()
            raise

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
    parsed: dict[str, Any] = read_yaml(cli._parser(words[0]).dump(cli.config[words[0]], skip_none=False))
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

    Raises:
        InputError: If the run has other weights than those that it ended with.

    Example:
        >>> is_finished_run(["fit", "--model", "SimCLR"], Path("nowhere"))
        False
    """
    try:
        record, _ = runs.read_record(run), checkpoint_path(run)
    except InputError:  # absent or damaged
        return False
    if record["command"][1:2] != [words[0]] or not _has_same_settings(words, run, record.get(ORIGINAL)):
        return False
    check_recorded(run)
    return True


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
        original = read_checkpoint(run).get(ORIGINAL)
    except InputError:  # there is no checkpoint, or the file is damaged
        return False
    return _has_same_settings(words, run, original)


def is_audited(words: Sequence[str], folder: Path, models: Sequence[Path]) -> bool:
    """Whether a report was written by this command, and after every run that it is on.

    Args:
        words: The command and its options.
        folder: Folder of the report.
        models: Folders of the runs.

    Example:
        >>> is_audited(["audit"], Path("nowhere"), [])
        False
    """
    report = folder / "report.json"
    newest = max(((run / runs.RECORD).stat().st_mtime_ns for run in models), default=0)
    if not report.is_file() or report.stat().st_mtime_ns < newest:
        return False
    try:
        commands = read_report(report)["context"].get("commands", [])
    except (InputError, KeyError, AttributeError):  # damaged, or of an earlier version
        return False
    return bool(commands) and commands[-1] == shlex.join(["unlearning-pl", *words])


def _has_same_settings(words: Sequence[str], run: Path, original: str | None) -> bool:
    """Whether a command has the settings of a run, images and original included, wherever these two are now."""
    try:
        recorded, current = runs.read_config(run), configuration([*words])
        begun_from = None if current.get("original") is None else weights_digest(current["original"])
        return (
            begun_from == original
            and settings_match(_comparable(recorded), _comparable(current))
            and (recorded["data"].get("source") == current["data"].get("source") or _has_same_images(current, run))
        )
    except InputError:  # absent or damaged, or other images
        return False


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The settings to compare: without paths of folders, and without those of the data that decide no weights."""
    trainer = {key: value for key, value in config.get("trainer", {}).items() if key not in ("run", "overwrite")}
    data = {key: value for key, value in config["data"].items() if f"data.{key}" not in FREE}
    rest = {key: value for key, value in config.items() if key not in ("run", "overwrite", "original", "ckpt_path")}
    return {**NOT_RECORDED, **rest, "trainer": trainer, "data": data}


def _has_same_images(current: dict[str, Any], run: Path) -> bool:
    """Whether the command's source has the images of the run, with the same normalisation; reads the images."""
    data = data_from_options(Namespace(data=current["data"]))  # type: ignore[no-untyped-call]
    data.load_split(run / runs.MANIFEST)
    recorded = read_checkpoint(run).get(NORMALISATION)
    learner: Learner = runs.instantiate_from_run(run, "model")
    return bool(recorded == normalisation(learner, data))
