"""What Lightning's trainer is told of a run: callbacks, logger, checkpoints, processes."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger

from unlearning_pl.distributed.batch_norm import SyncBatchNormPlugin
from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.errors import InputError
from unlearning_pl.training.checkpoints import AtomicCheckpointIO
from unlearning_pl.training.last_checkpoint import LastCheckpoint

QUIET: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
"""Arguments of a trainer of which nobody watches the progress: audits, relearning, previews."""


def trainer_arguments(run: Path | None, first: Callback, minutes: float, given: dict[str, Any]) -> dict[str, Any]:
    """Lightning's arguments, completed with what a run needs and nobody gave.

    Args:
        run: The run folder, if anything is kept.
        first: The callback before all others.
        minutes: Time between checkpoints in the middle of an epoch.
        given: Arguments that somebody gave.

    Example:
        >>> trainer_arguments(None, Callback(), 30, {"max_epochs": 3})["max_epochs"]
        3
    """
    arguments = {**given, "callbacks": [first, *_listed(given.get("callbacks"))]}
    if given.get("logger") in (None, True):
        # Lightning's own metric would be the only one of TensorBoard's HPARAMS tab; an audit writes better ones
        arguments["logger"] = run is not None and TensorBoardLogger(run, name="", version="", default_hp_metric=False)
    if arguments["logger"]:
        arguments["callbacks"].append(LearningRateMonitor("epoch"))
    keep = run is not None and given.get("enable_checkpointing") in (None, True)
    arguments["enable_checkpointing"] = keep
    plugins = arguments["plugins"] = _listed(given.get("plugins"))
    if run is not None and keep:
        arguments["callbacks"].append(LastCheckpoint(run, minutes))
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpointIO())
    if given.get("sync_batchnorm"):
        plugins.append(SyncBatchNormPlugin())
    if any(isinstance(plugin, ClusterEnvironment) for plugin in plugins):
        return arguments  # whatever launched this process is not to be asked
    # 1 is what Lightning and our commands take where nobody says; -1 is all, which a launcher has counted
    unsaid = (None, "auto", 1, -1, "-1")
    return arguments | {name: count for name, count in launched_processes().items() if given.get(name) in unsaid}


def _listed(parts: Any) -> list[Any]:
    if parts is None:
        return []
    if isinstance(parts, str):
        raise InputError(f"Expected a list of callbacks or plugins, got {parts!r}. Pass [...].")
    return list(parts) if isinstance(parts, (list, tuple)) else [parts]
