"""Files of the features and class probabilities that ``predict`` extracts.

Letters: N images, D width of the features, K classes.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.io import write_bytes
from unlearning_pl.learners import Learner

ENDINGS = (".npz", ".csv", ".parquet")
"""Endings of the files that :func:`write_predictions` writes."""
_DIGITS = 9
"""Significant digits that determine a float32."""


class Predictions(NamedTuple):
    """Rows of a file, in the order of the images in the pool.

    Attributes:
        ids: Id of each image.
        features: Encoder output ``(N, D)``, float32.
        probabilities: Class probabilities ``(N, K)``, float32; None for a learner without classes.
    """

    ids: list[str]
    features: Tensor
    probabilities: Tensor | None


@torch.no_grad()
def collect_predictions(
    batches: Sequence[tuple[Tensor, Tensor]], ids: Sequence[str], learner: Learner | None = None
) -> Predictions:
    """Join batches, and compute class probabilities in float32 from the features.

    Args:
        batches: Positions ``(B,)`` int64 and features ``(B, D)`` of each batch.
        ids: Id of every image of the pool.
        learner: The learner, whose head classifies the features if it knows classes.

    Example:
        >>> collect_predictions([(torch.tensor([1]), torch.ones(1, 2))], ["a", "b"]).ids
        ['b']
    """
    index, features = (torch.cat(column) for column in zip(*batches, strict=True))
    features = features.float().cpu()
    scores = None if learner is None else learner.cpu().float().eval().classify(features)
    probabilities = None if scores is None else scores.float().softmax(1)
    return Predictions([ids[position] for position in index.tolist()], features, probabilities)


def check_predictions_file(path: Path, overwrite: bool) -> None:
    """Check where predictions are to be written, before anything is computed.

    Args:
        path: The file.
        overwrite: Whether it may replace another one.

    Raises:
        InputError: If its ending is unknown, its folder does not exist, or the file exists.

    Example:
        >>> check_predictions_file(Path("a.txt"), False)
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected `to` with an ending of .npz, .csv, .parquet, got a.txt. Change it.
    """
    require(
        path.suffix.lower() in ENDINGS,
        f"Expected --to with an ending of {', '.join(ENDINGS)}, got {path}. Change it.",
    )
    require(path.parent.is_dir(), f"Expected a file in a folder that exists as --to, got {path}. Create it first.")
    require(not path.is_dir(), f"Expected a file as --to, got the folder {path}. Add a file name.")
    require(
        overwrite or not path.exists(),
        f"Expected a new file as --to, got {path}, which exists. Choose another, or add --overwrite.",
    )


def write_predictions(path: Path, predictions: Predictions) -> Path:
    """Write predictions atomically; the ending of the file decides its format.

    ``.npz`` has the arrays ``ids``, ``features`` and ``probabilities``; ``.csv`` a column ``id``, one for each class
    (``probability_0``, ...) and each feature (``feature_0``, ...), with nine significant digits, which determine a
    float32; ``.parquet`` the columns ``id``, ``probabilities`` and ``features``, lists of float32.

    Args:
        path: The file.
        predictions: Its rows.

    Example:
        >>> import tempfile
        >>> rows = Predictions(["a"], torch.ones(1, 2), torch.tensor([[0.1, 0.9]]))
        >>> print(write_predictions(Path(tempfile.mkdtemp()) / "a.csv", rows).read_text().splitlines()[1])
        a,0.100000001,0.899999976,1,1
    """
    writers = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    return write_bytes(path, writers[path.suffix.lower()](predictions))


def _columns(predictions: Predictions) -> Mapping[str, Tensor]:
    known = {} if predictions.probabilities is None else {"probabilities": predictions.probabilities}
    return {**known, "features": predictions.features}


def _npz(predictions: Predictions) -> bytes:
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: values.numpy() for name, values in _columns(predictions).items()}
    np.savez(stream, ids=np.array(predictions.ids), **arrays)
    return stream.getvalue()


def _csv(predictions: Predictions) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", *_headings(predictions)])
    values = torch.cat([*_columns(predictions).values()], dim=1)
    for name, row in zip(predictions.ids, values, strict=True):
        writer.writerow([name, *(f"{value:.{_DIGITS}g}" for value in row.tolist())])
    return stream.getvalue().encode()


def _headings(predictions: Predictions) -> Iterator[str]:
    singular = {"probabilities": "probability", "features": "feature"}
    for name, values in _columns(predictions).items():
        yield from (f"{singular[name]}_{number}" for number in range(values.shape[1]))


def _parquet(predictions: Predictions) -> bytes:
    columns = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.numpy().reshape(-1)), values.shape[1])
        for name, values in _columns(predictions).items()
    }
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(predictions.ids, pa.string()), **columns}), stream)
    return stream.getvalue()
