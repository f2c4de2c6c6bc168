"""Checkpoint files of a run: their paths, and how to write and read them."""

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from typing_extensions import override

from unlearning_pl.data.splits.manifest import MANIFEST
from unlearning_pl.errors import InputError, StorageError, require
from unlearning_pl.io import atomic_write
from unlearning_pl.training.read_tensors import read_tensors
from unlearning_pl.training.run_lock import check_writer
from unlearning_pl.training.saved_folder import weights_file
from unlearning_pl.training.state_dicts import find_state_dict

CHECKPOINT = "checkpoints/last.ckpt"
"""Path of the checkpoint, relative to the run folder."""

ORIGINAL = "original_sha256"
"""Key, in a record and in a checkpoint, of the SHA-256 of the original that a run started from."""


def checkpoint_path(run: str | Path) -> Path:
    """Return the path of the checkpoint of a run folder, of the weights of transformers in one, or of the file itself.

    Raises:
        InputError: If the file does not exist.
    """
    path = weights_file(Path(run))
    path = path / CHECKPOINT if path.is_dir() else path
    require(path.is_file(), f"Expected a checkpoint at {path}, got no such file. Give a finished run or a .ckpt file.")
    return path


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder has a checkpoint, under any name.

    Example:
        >>> has_checkpoint(Path("nowhere"))
        False
    """
    return any((run / CHECKPOINT).parent.glob("*.ckpt"))


def weights_digest(run: str | Path) -> str:
    """Return the SHA-256 of a run's checkpoint, or of a checkpoint file."""
    return hashlib.sha256(checkpoint_path(run).read_bytes()).hexdigest()


def read_checkpoint(run: str | Path) -> dict[str, Any]:
    """Load a checkpoint, of this package or of another tool, with ``weights_only=True``: plain tensors, never code.

    Returns:
        The content of the file, with the weights as ``state_dict``, wherever the file has them; see
        :func:`~unlearning_pl.training.state_dicts.find_state_dict`.

    Raises:
        InputError: If the file does not exist or is not a checkpoint.
    """
    path = checkpoint_path(run)
    content = read_tensors(path)
    state = find_state_dict(content, path)
    checkpoint = {"state_dict": state} if content.keys() == state.keys() else {**content, "state_dict": state}
    for key in ("hyper_parameters", "planned"):
        require(
            isinstance(checkpoint.get(key, {}), dict),
            f"Expected settings under {key} in {path}, got another value. Give a checkpoint of a run.",
        )
    return checkpoint


def check_readable(states: Mapping[str, Any]) -> None:
    """Check that the states of callbacks can be loaded with ``weights_only=True``, that is without running code.

    Args:
        states: The state of each callback, by name.

    Raises:
        InputError: If a state holds more than tensors, numbers, strings and lists or dictionaries of them.

    Example:
        >>> check_readable({"Clock": {"seconds": 1.5}})
    """
    for name, state in states.items():
        stream = io.BytesIO()
        try:
            torch.save(state, stream)
            stream.seek(0)
            torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # pickling and loading raise many kinds of exceptions
            kind = re.search(r"GLOBAL (\S+)", str(error))
            raise InputError(
                f"Expected tensors, numbers and strings as the state of the callback {name}, got "
                f"{kind[1] if kind else error}, from which no run could resume. Convert what its state_dict returns."
            ) from error


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints atomically: into a temporary file in the same folder, which then replaces the checkpoint.

    Lightning's own ``CheckpointIO`` uses the system's temporary folder, which may be small or on another file system.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        run = path.parent.parent
        if path == run / CHECKPOINT and not (run / MANIFEST).exists():
            raise StorageError(
                f"Expected the run folder {run} to exist, but it was removed. Train again with another --run."
            )
        if path == run / CHECKPOINT:
            check_writer(run)
        try:
            for partial in path.parent.glob(f".{path.name}.*"):  # left by a process that was killed while writing
                partial.unlink()
            with atomic_write(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError if the disk is full
            raise StorageError(
                f"Expected to write {path}, got: {_os_error_reason(error)}. The previous checkpoint is kept; free some "
                "space and resume with --ckpt_path auto."
            ) from error


def _os_error_reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error).splitlines()[0]
