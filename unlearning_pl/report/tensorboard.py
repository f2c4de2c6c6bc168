"""An audit beside the training curves in TensorBoard."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from unlearning_pl.audits.base import Audit
from unlearning_pl.audits.membership import threshold
from unlearning_pl.report.figures import highest_share, histogram, score_range

_SUFFIX = ".audit"


def log_to_tensorboard(folder: str | Path, audit: Audit, step: int = 0) -> None:
    """Write the metrics as scalars ``audit/<metric>`` and the score histograms as image ``audit/scores``.

    Args:
        folder: The run's folder, where its training curves are; the event file of an earlier audit there is replaced.
        audit: What was measured on the run's model.
        step: Position on TensorBoard's axis.

    Example:
        >>> import tempfile, torch
        >>> folder = tempfile.mkdtemp()
        >>> log_to_tensorboard(folder, Audit("ac", {"membership_auc": 0.5}, {}, torch.zeros(0, 0)))
        >>> len(list(Path(folder).glob("events.*")))
        1
    """
    for earlier in Path(folder).glob(f"events.out.tfevents.*{_SUFFIX}"):
        earlier.unlink()
    with SummaryWriter(str(folder), filename_suffix=_SUFFIX) as writer:
        for key, value in audit.metrics.items():
            writer.add_scalar(f"audit/{key}", value, step)
        if audit.scores:
            writer.add_image("audit/scores", _picture(audit), step, dataformats="HWC")


def _picture(audit: Audit) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    limits = score_range([audit.scores])
    figure = histogram(audit.scores, limits, highest_share([audit.scores], limits), threshold(audit.scores))
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=160)
    with Image.open(stream) as picture:
        return np.asarray(picture.convert("RGB"))
