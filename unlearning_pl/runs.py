"""A run is a folder that explains itself: configuration, split, weights, curves, record, audit."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser
from torch import Tensor

from unlearning_pl.data import Splits, UnlearningData
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner

CONFIG, MANIFEST, RECORD, WEIGHTS = "config.yaml", "split.json", "run.json", "checkpoints/last.ckpt"


def read_config(run: str | Path) -> dict[str, Any]:
    """Read a run's configuration.

    Raises:
        InputError: If the folder holds no run.
    """
    path = Path(run) / CONFIG
    require(path.is_file(), f"Expected a run folder with {CONFIG}, got {run}. Give one that fit or unlearn wrote.")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        config = None
    require(
        isinstance(config, dict) and all(isinstance(config.get(key), dict) for key in ("model", "data")),
        f"Expected the keys model and data in {path}, got something else. Restore the file or train again.",
    )
    return dict(config)


def read_record(run: str | Path) -> dict[str, Any]:
    """Read what a finished run noted of itself: seconds, command, seed, versions, hardware.

    Raises:
        InputError: If the run is not finished, or the file is damaged.
    """
    path = Path(run) / RECORD
    require(path.is_file(), f"Expected a finished run, got {run} without {RECORD}. Let it finish, or give another one.")
    record = _read_json(path)
    sound = isinstance(record.get("seconds"), (int, float)) and isinstance(record.get("command"), list)
    require(sound, f"Expected seconds and a command in {path}, got something else. Restore the file or train again.")
    return record


def read_split(run: str | Path) -> dict[str, Any]:
    """Read the split of a run as it was written: fingerprint, request, ids; see ``write_manifest``.

    Raises:
        InputError: If the run has none.
    """
    path = Path(run) / MANIFEST
    require(path.is_file(), f"Expected a run folder with {MANIFEST}, got {run}. Give one that fit or unlearn wrote.")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"Expected a JSON object in {path}, got something else. Restore the file or train again.")
    return value


def open_learner(run: str | Path) -> Learner:
    """Build a run's learner, with its weights.

    Raises:
        InputError: If the folder holds no run, or its weights do not fit.
    """
    learner: Learner = _build(run, "model")
    load_weights(learner, run)
    return learner


def open_data(run: str | Path) -> UnlearningData:
    """Build a run's data, with its split.

    Raises:
        InputError: If the folder holds no run, or the data are no longer the same.
    """
    data: UnlearningData = _build(run, "data")
    data.adopt(Path(run) / MANIFEST)
    return data


def _build(run: str | Path, key: str) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    if key == "model":
        parser.add_subclass_arguments(Learner, key)
    else:
        parser.add_class_arguments(UnlearningData, key)
    try:
        return parser.instantiate_classes(parser.parse_object({key: read_config(run)[key]}))[key]
    except ArgumentError as error:
        raise InputError(
            f"Expected settings under {key} that this version reads, got {run}/{CONFIG}: {error}"
        ) from error


def weights_path(run: str | Path) -> Path:
    """The checkpoint of a run folder, or the checkpoint file itself.

    Raises:
        InputError: If it does not exist.
    """
    path = Path(run)
    path = path / WEIGHTS if path.is_dir() else path
    require(path.is_file(), f"Expected a checkpoint at {path}, got no such file. Give a finished run or a .ckpt file.")
    return path


def digest(run: str | Path) -> str:
    """SHA-256 of a run's weights file, or of a checkpoint file."""
    return hashlib.sha256(weights_path(run).read_bytes()).hexdigest()


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
        isinstance(checkpoint, dict) and isinstance(checkpoint.get("state_dict"), dict),
        f"Expected a checkpoint with a state_dict, got {path} without one. Give a file that Lightning wrote.",
    )
    return dict(checkpoint)


def load_weights(learner: Learner, run: str | Path) -> None:
    """Load the weights of a run, or of a checkpoint file, into a learner.

    Raises:
        InputError: If they belong to another architecture, or are not finite.
    """
    state = read_checkpoint(run)["state_dict"]
    check_weights(learner, state, weights_path(run))
    learner.load_state_dict(state)


def check_weights(learner: Learner, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare names and shapes of weights with a learner's, and load nothing.

    Raises:
        InputError: If they belong to another architecture, or are not finite.
    """
    wanted = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    found = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    other = next((name for name in {**wanted, **found} if wanted.get(name) != found.get(name)), None)
    require(
        other is None,
        f"Expected weights of a {type(learner).__name__} with the configured backbone, got {path} of another "
        f"architecture ({other} differs). Give the model settings that it was trained with.",
    )
    broken = next((name for name, value in state.items() if not torch.isfinite(value).all()), None)
    require(broken is None, f"Expected finite weights, got NaN or infinity in {broken} of {path}. Train it again.")


def check_original(run: str | Path, splits: Splits) -> None:
    """Refuse to unlearn from a run that forgot, or never saw, other images than those asked for.

    Raises:
        InputError: If the run is not finished, or images that it no longer or never knew would be trained on, or be
            forgotten.
    """
    record, split = read_record(run), read_split(run)
    complete = record.get("train_on") == "all" and "original" not in record
    again = "original" in record and splits.request.given() == split.get("request")
    require(
        complete or again,
        f"Expected an original trained on all images, got {run}, which has forgotten or never saw "
        f"{len(split.get('forget', []))} of them. Begin with the original, and ask for all at once.",
    )


def environment() -> dict[str, Any]:
    """Versions and hardware, as a report states them."""
    names = ("unlearning-pl", "torch", "torchvision", "lightning", "lightly", "torchmetrics", "kornia")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "hardware": f"{device}, {platform.machine()}",
    }
