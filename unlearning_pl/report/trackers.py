"""Runs at experiment trackers, MLflow and Weights & Biases, that keep an audit beside the curves of its training.

A run's record names them as ``mlflow:RUN_ID`` and ``wandb:PROJECT/ID``. The record may be a stranger's, so it says
nothing of where the trackers are: the user's environment does (``MLFLOW_TRACKING_URI``, ``WANDB_MODE`` and so on).
"""

import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.errors import InputError, printable, quote, reason, require, shorten


def tracker_facts(loggers: Iterable[Logger]) -> dict[str, list[str]]:
    """What a record says of a training's runs at trackers; nothing of TensorBoard, which writes to the run folder.

    Example:
        >>> tracker_facts([])
        {}
    """
    names = []
    for logger in loggers:
        if isinstance(logger, MLFlowLogger):
            names.append(f"mlflow:{logger.version}")
        elif isinstance(logger, WandbLogger):
            names.append(f"wandb:{logger.experiment.project}/{logger.experiment.id}")
    return {"trackers": names} if names else {}


def check_tracker(run: str) -> None:
    """Check the name of a run at a tracker, and that the tracker's package is installed.

    Raises:
        InputError: If the tracker is unknown or not installed.

    Example:
        >>> check_tracker("mlflow:")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected mlflow:ID or wandb:PROJECT/ID as the run at a tracker, got 'mlfl...
    """
    require(
        re.fullmatch(r"mlflow:\S+|wandb:.+/[^/]+", run) is not None,
        f"Expected mlflow:ID or wandb:PROJECT/ID as the run at a tracker, got {quote(run)}. Audit without --trackers.",
    )
    kind = run.partition(":")[0]
    require(
        find_spec(kind) is not None, f"Expected {kind} to log to {run}, got an environment without it. Install {kind}."
    )


def log_to_tracker(run: str, audit: Audit, page: Path) -> None:
    """Log the figures of an audit, as ``audit/KEY``, and its report to a run at a tracker.

    Args:
        run: Name of the run there, as in the record of a run.
        audit: The audit of the run's model.
        page: HTML page of the report; report.json is beside it.

    Raises:
        InputError: If the tracker is unknown or not installed.
        Exception: Whatever the tracker raises, for instance if it cannot be reached.
    """
    check_tracker(run)
    kind, _, name = run.partition(":")
    _LOG[kind](name, {f"audit/{key}": value for key, value in audit.metrics.items()}, page)


def open_trackers(loggers: Iterable[Logger]) -> None:
    """Begin the runs at MLflow and Weights & Biases, which their loggers would do once training has started.

    Raises:
        InputError: If a tracker cannot be reached, or refuses.

    Example:
        >>> open_trackers([])
    """
    for logger in loggers:
        if not isinstance(logger, (MLFlowLogger, WandbLogger)):
            continue
        try:
            _ = logger.experiment
        except Exception as error:
            name = type(logger).__name__
            raise InputError(
                f"Expected {name} to reach its tracker, got: {tracker_error(error)}. Correct its settings, or leave "
                f"{name} out."
            ) from error


def tracker_error(error: Exception) -> str:
    r"""What a tracker's error says, on one printable line: it may hold the page of a server.

    Example:
        >>> tracker_error(OSError("No server\n at this address."))
        'No server at this address'
    """
    return shorten(printable(reason(error)), 300)


def _to_mlflow(name: str, metrics: dict[str, float], page: Path) -> None:
    logger = MLFlowLogger(run_id=name, tracking_uri=os.environ.get("MLFLOW_TRACKING_URI"))
    logger.log_metrics(metrics)
    for file in (page, page.with_suffix(".json")):
        logger.experiment.log_artifact(name, str(file), "audit")
    logger.finalize("success")


def _to_wandb(name: str, metrics: dict[str, float], page: Path) -> None:
    import wandb

    project, _, identity = name.rpartition("/")
    # a process that has trained the run may still have it open, or another one, which stays as it is
    is_open = wandb.run is not None and wandb.run.id == identity
    run: Any = wandb.run if is_open else wandb.init(project=project, id=identity, resume="allow", reinit="create_new")
    try:
        run.log({**metrics, "audit/report": wandb.Html(page.read_text(encoding="utf-8"), inject=False)})
    finally:
        if not is_open:
            run.finish()


_LOG = {"mlflow": _to_mlflow, "wandb": _to_wandb}
