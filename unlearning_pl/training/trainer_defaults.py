"""Arguments of Lightning's trainer for a run: callbacks, logger, checkpoints, processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar
from rich import get_console

from unlearning_pl.distributed.batch_norm import SyncBatchNormPlugin
from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.errors import InputError, require
from unlearning_pl.training.background_checkpoint_io import BackgroundCheckpointIO
from unlearning_pl.training.last_checkpoint import LastCheckpoint
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.run_logger import RunLogger
from unlearning_pl.training.timed_progress_bar import TimedProgressBar
from unlearning_pl.training.tracked_settings import TrackedSettings

SILENT: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
"""Arguments of a trainer without logger, progress bar and model summary: for audits, relearning, previews."""


def trainer_arguments(
    run: Path | None, first: Sequence[Callback], minutes: float, given: dict[str, Any]
) -> dict[str, Any]:
    """Complete the user's arguments of Lightning's trainer with the defaults of a run.

    Args:
        run: The run folder; None if nothing is saved.
        first: The callbacks before all others.
        minutes: Time between checkpoints in the middle of an epoch.
        given: The user's arguments, which take precedence.

    Raises:
        InputError: If the time is negative, or callbacks or plugins are no list.

    Example:
        >>> trainer_arguments(None, [], 30, {"max_epochs": 3})["max_epochs"]
        3
    """
    require(minutes >= 0, f"Expected trainer.checkpoint_minutes >= 0, got {minutes}. Choose some minutes.")
    arguments = {**given, "callbacks": [*first, *_as_list(given.get("callbacks"))]}
    has_bar = any(isinstance(callback, ProgressBar) for callback in arguments["callbacks"])
    if given.get("enable_progress_bar") in (None, True) and not has_bar and not given.get("barebones"):
        arguments |= _progress(arguments["callbacks"])
    if given.get("logger") in (None, True):
        # Lightning's hp_metric would be the only one in TensorBoard's HPARAMS tab; an audit writes informative ones.
        arguments["logger"] = run is not None and RunLogger(run, name="", version="", default_hp_metric=False)
    if arguments["logger"]:
        arguments["callbacks"] += [LearningRateMonitor("epoch"), TrackedSettings()]
    keep = run is not None and given.get("enable_checkpointing") in (None, True)
    arguments["enable_checkpointing"] = keep
    plugins = arguments["plugins"] = _as_list(given.get("plugins"))
    if run is not None and keep:
        writer = BackgroundCheckpointIO()
        arguments["callbacks"].append(LastCheckpoint(run, minutes, writer))
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(writer)
    if given.get("sync_batchnorm"):
        plugins.append(SyncBatchNormPlugin())
    if any(isinstance(plugin, ClusterEnvironment) for plugin in plugins):
        return arguments  # the user's cluster environment counts the processes, not the launcher
    # 1 is the default of Lightning and of the commands; -1 means all devices, which the launcher has counted.
    defaults = (None, "auto", 1, -1, "-1")
    return arguments | {name: count for name, count in launched_processes().items() if given.get(name) in defaults}


def _progress(callbacks: list[Callback]) -> dict[str, Any]:
    """Progress as a bar, or where the output is no terminal, such as the log of a batch job, as log messages."""
    console = get_console()
    shows_bar = console.is_terminal or console.is_jupyter
    callbacks.append(TimedProgressBar() if shows_bar else ProgressLog("Training", epochs=True))
    return {"enable_progress_bar": shows_bar}


def _as_list(items: Any) -> list[Any]:
    if items is None:
        return []
    if isinstance(items, str):
        raise InputError(f"Expected a list of callbacks or plugins, got {items!r}. Pass [...].")
    return list(items) if isinstance(items, (list, tuple)) else [items]
