"""Binding of a run's weights to its record: a digest of the tensors that the run ended with."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.training.checkpoint_files import CHECKPOINT, checkpoint_path, read_checkpoint
from unlearning_pl.training.dense_tensors import check_tensors
from unlearning_pl.training.run_record import RECORD, read_record

DIGEST = "tensors_sha256"
"""Key of the digest in a record. ``weights_sha256`` there is that of the file of initial weights."""


def tensors_digest(state: Mapping[str, Any]) -> str:
    """SHA-256 over name, dtype, shape and bytes of each tensor, in the order of the names.

    It depends on neither device, memory format nor file format, and ignores entries that are not tensors.

    Args:
        state: Tensors by name, such as a ``state_dict``.

    Example:
        >>> ones = {"w": torch.ones(1, 2, 3, 3)}
        >>> last = {"w": ones["w"].to(memory_format=torch.channels_last)}
        >>> tensors_digest(ones) == tensors_digest(last) != tensors_digest({"v": ones["w"]})
        True
    """
    digest = hashlib.sha256()
    for name in sorted(name for name, value in state.items() if isinstance(value, Tensor)):
        # A copy, since a tensor that counts as contiguous may still have strides that no view as bytes can have.
        tensor = state[name].detach().cpu().clone(memory_format=torch.contiguous_format)
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def run_digest(run: str | Path) -> str:
    """Digest of the weights in a run's checkpoint, see :func:`tensors_digest`.

    Raises:
        InputError: If there is no checkpoint, or it holds something else than dense tensors by name.
    """
    return _checked_digest(run, read_checkpoint(run)["state_dict"])


def digest_fact(run: Path) -> dict[str, str]:
    """The entry of the record for the weights of the run's last checkpoint; empty if the run saved none.

    Example:
        >>> digest_fact(Path("nowhere"))
        {}
    """
    return {DIGEST: tensors_digest(read_checkpoint(run)["state_dict"])} if (run / CHECKPOINT).is_file() else {}


def is_recorded(run: str | Path, digest: str) -> bool:
    """Whether a finished run ended with weights of this digest; also true if its record has none.

    Runs of version 0.1 recorded no digest, and a run that is not finished has no record.
    """
    if not (Path(run) / RECORD).is_file():
        return True
    return bool(read_record(run).get(DIGEST, digest) == digest)


def check_recorded(run: str | Path, state: Mapping[str, Any] | None = None) -> None:
    """Check that a run's checkpoint has the weights that the run ended with.

    Args:
        run: A run folder; anything else, such as a checkpoint file, has no record and is not checked.
        state: The weights of its checkpoint, if they have been read already.

    Raises:
        InputError: If the run's record has another digest, or the checkpoint holds something else than tensors.
    """
    recorded = read_record(run).get(DIGEST) if (Path(run) / RECORD).is_file() else None
    if recorded is None:
        return
    digest = run_digest(run) if state is None else _checked_digest(run, state)
    require(
        digest == recorded,
        f"Expected the weights that the run {run} ended with, got others in its {CHECKPOINT}, of tensors "
        f"{digest[:12]}. Restore the file or train again; the file itself can be given as a checkpoint.",
    )


def _checked_digest(run: str | Path, state: Mapping[Any, Any]) -> str:
    """A digest reads all values: those of a stranger's file are checked first, which may claim to be terabytes."""
    check_tensors(state, checkpoint_path(run))
    return tensors_digest(state)
