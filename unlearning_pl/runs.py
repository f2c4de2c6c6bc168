"""A run is a folder that explains itself: configuration, split, weights, curves, audit."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner

CONFIG, MANIFEST, RECORD, WEIGHTS = "config.yaml", "split.json", "run.json", "checkpoints/last.ckpt"


def read_config(run: str | Path) -> dict[str, Any]:
    """Read a run's configuration.

    Raises:
        InputError: If the folder holds no finished run.
    """
    path = Path(run) / CONFIG
    require(path.is_file(), f"Expected a run folder with {CONFIG}, got {run}. Give a folder that fit or unlearn wrote.")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        config = None
    require(
        isinstance(config, dict) and {"model", "data"} <= config.keys(),
        f"Expected the keys model and data in {path}, got something else. Restore the file or train again.",
    )
    return dict(config)


def read_record(run: str | Path) -> dict[str, Any]:
    """Read what a run noted of itself (seconds, versions, hardware); empty where it noted nothing.

    Example:
        >>> read_record("/nowhere")
        {}
    """
    path = Path(run) / RECORD
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def open_run(run: str | Path) -> tuple[Learner, UnlearningData]:
    """Build a run's learner, with its weights, and its data, with its split.

    Raises:
        InputError: If the folder holds no run, its weights do not fit, or the data are no longer the same.
    """
    config = read_config(run)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Learner, "model")
    parser.add_class_arguments(UnlearningData, "data")
    try:
        built = parser.instantiate_classes(parser.parse_object({key: config[key] for key in ("model", "data")}))
    except ArgumentError as error:
        raise InputError(f"Expected a configuration that this version reads, got {run}/{CONFIG}: {error}") from error
    load_weights(built.model, run)
    built.data.adopt(Path(run) / MANIFEST)
    return built.model, built.data


def weights_path(run: str | Path) -> Path:
    """The checkpoint of a run folder, or the checkpoint file itself.

    Raises:
        InputError: If it does not exist.
    """
    path = Path(run)
    path = path / WEIGHTS if path.is_dir() else path
    require(path.is_file(), f"Expected a checkpoint at {path}, got no such file. Give a finished run or a .ckpt file.")
    return path


def read_checkpoint(run: str | Path) -> dict[str, Any]:
    """Load a checkpoint of plain tensors, never code.

    Raises:
        InputError: If the file does not exist or is no checkpoint.
    """
    path = weights_path(run)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different one for each way of being no checkpoint
        raise InputError(f"Expected a checkpoint, got {path}, which torch cannot load. Give another file.") from error
    require(
        isinstance(checkpoint, dict) and "state_dict" in checkpoint,
        f"Expected a checkpoint with a state_dict, got {path} without one. Give a file that Lightning wrote.",
    )
    return dict(checkpoint)


def load_weights(learner: Learner, run: str | Path) -> None:
    """Load the weights of a run, or of a checkpoint file, into a learner.

    Raises:
        InputError: If they belong to another architecture.
    """
    state = read_checkpoint(run)["state_dict"]
    try:
        learner.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip().rstrip(".")
        raise InputError(
            f"Expected weights of a {type(learner).__name__} with the configured backbone, got {weights_path(run)} of "
            f"another architecture ({first[:150]}). Give the model settings that it was trained with."
        ) from error


def clear(run: Path, overwrite: bool) -> None:
    """Make room for a new run: refuse a folder in use, or remove what a run wrote there before, and nothing else.

    Raises:
        InputError: If the folder holds anything and ``overwrite`` is not set, or holds something that is no run.
    """
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    require(run.is_dir(), f"Expected a folder for the run, got the file {run}. Choose another --run.")
    require(
        overwrite,
        f"Expected a new folder for the run, got {run}, which exists. Choose another --run or add --overwrite.",
    )
    require(
        any((run / name).exists() for name in (CONFIG, MANIFEST, RECORD)),
        f"Expected a run to overwrite, got {run}, which holds something else. Choose another --run.",
    )
    for path in _written(run):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _written(run: Path) -> Iterator[Path]:
    names = (CONFIG, MANIFEST, RECORD, "checkpoints", "audit", "hparams.yaml", "predictions.npz")
    yield from (run / name for name in names if (run / name).exists())
    yield from run.glob("events.out.tfevents.*")


def environment() -> dict[str, Any]:
    """Versions and hardware, as a report states them."""
    from importlib.metadata import version

    names = ("unlearning-pl", "torch", "torchvision", "lightning", "lightly", "torchmetrics", "kornia")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "hardware": f"{device}, {platform.machine()}",
    }
