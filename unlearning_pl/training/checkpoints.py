"""The checkpoint files of a run: what they are called, and how they are written and read."""

import hashlib
import io
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data.splits.manifest import MANIFEST
from unlearning_pl.errors import InputError, StorageError, require
from unlearning_pl.io import atomic_write

CHECKPOINT = "checkpoints/last.ckpt"
"""Where a run folder has its checkpoint."""

ORIGINAL = "original_sha256"
"""What a record, and a checkpoint, calls the digest of the original that a run began as."""


def checkpoint_path(run: str | Path) -> Path:
    """The checkpoint of a run folder, or the checkpoint file itself.

    Raises:
        InputError: If it does not exist.
    """
    path = Path(run)
    path = path / CHECKPOINT if path.is_dir() else path
    require(path.is_file(), f"Expected a checkpoint at {path}, got no such file. Give a finished run or a .ckpt file.")
    return path


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder has a checkpoint of any name.

    Example:
        >>> has_checkpoint(Path("nowhere"))
        False
    """
    return any((run / CHECKPOINT).parent.glob("*.ckpt"))


def weights_digest(run: str | Path) -> str:
    """SHA-256 of a run's weights file, or of a checkpoint file."""
    return hashlib.sha256(checkpoint_path(run).read_bytes()).hexdigest()


def read_checkpoint(run: str | Path) -> dict[str, Any]:
    """Load a checkpoint of plain tensors, never code.

    Raises:
        InputError: If the file does not exist or is no checkpoint.
    """
    path = checkpoint_path(run)
    require(
        path.suffix != ".safetensors" or find_spec("safetensors") is not None,
        f"Expected the package safetensors to read {path}, got none. Run pip install 'unlearning-pl[clip]'.",
    )
    try:
        checkpoint = _tensors(path)
    except Exception as error:  # torch raises a different one for each way of being no checkpoint
        raise InputError(f"Expected a checkpoint, got {path}, which torch cannot load. Give another file.") from error
    if isinstance(checkpoint, dict) and checkpoint and all(isinstance(value, Tensor) for value in checkpoint.values()):
        checkpoint = {"state_dict": checkpoint}  # weights and nothing else
    require(
        isinstance(checkpoint, dict) and isinstance(checkpoint.get("state_dict"), dict),
        f"Expected a checkpoint with a state_dict, got {path} without one. Give a file that Lightning wrote.",
    )
    return dict(checkpoint)


def check_readable(states: Mapping[str, Any]) -> None:
    """Refuse what a checkpoint could be written with, and never be loaded from without running code.

    Args:
        states: Of callbacks, by name.

    Raises:
        InputError: If one holds more than tensors, numbers, texts and lists or dictionaries of them.

    Example:
        >>> check_readable({"Clock": {"seconds": 1.5}})
    """
    for name, state in states.items():
        stream = io.BytesIO()
        try:
            torch.save(state, stream)
            stream.seek(0)
            torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # as many kinds as there are ways
            kind = re.search(r"GLOBAL (\S+)", str(error))
            raise InputError(
                f"Expected tensors, numbers and texts as the state of the callback {name}, got "
                f"{kind[1] if kind else error}, with which no run could go on. Convert what its state_dict returns."
            ) from error


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all: into a file beside it, which then takes its place.

    Lightning's own goes by way of the system's temporary folder, which may be small or of another file system.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        run = path.parent.parent
        if path == run / CHECKPOINT and not (run / MANIFEST).exists():
            raise StorageError(
                f"Expected the run folder {run} to stay, but it is gone. Train again, into another --run."
            )
        try:
            for half in path.parent.glob(f".{path.name}.*"):  # of a process that was killed while it wrote
                half.unlink()
            with atomic_write(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch has words of its own for a disk that is full
            raise StorageError(
                f"Expected to write {path}, got: {_reason(error)}. The checkpoint before it is kept; make room and go "
                "on with --ckpt_path auto."
            ) from error


def _tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # comes with open_clip and timm

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: BaseException) -> str:
    first: BaseException | None = error
    while first is not None and not isinstance(first, OSError):
        first = first.__context__
    return (first.strerror if isinstance(first, OSError) else None) or str(error).splitlines()[0]
