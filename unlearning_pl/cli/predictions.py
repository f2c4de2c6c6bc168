"""File of the features that ``predict`` extracts."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlearning_pl.io import write_bytes


def write_predictions(run: Path, batches: Sequence[tuple[Tensor, Tensor]], ids: Sequence[str]) -> tuple[Path, int]:
    """Write features with the ids of their images to ``predictions.npz`` of a run, atomically.

    Args:
        run: The run folder.
        batches: Positions ``(B,)`` int64 and features ``(B, D)`` of each batch.
        ids: Id of every image of the pool.

    Returns:
        The file, and the number of images in it.

    Example:
        >>> import tempfile
        >>> path, _ = write_predictions(Path(tempfile.mkdtemp()), [(torch.tensor([1]), torch.ones(1, 2))], ["a", "b"])
        >>> np.load(path)["ids"].tolist()
        ['b']
    """
    index, features = (torch.cat(column) for column in zip(*batches, strict=True))
    named = np.array([*ids])[index.numpy()]
    buffer = io.BytesIO()
    np.savez(buffer, ids=named, features=features.float().numpy())
    return write_bytes(run / "predictions.npz", buffer.getvalue()), len(named)
