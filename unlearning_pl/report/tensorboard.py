"""Logging of audits to TensorBoard, next to the training curves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.io import named_errors
from unlearning_pl.report.figures import render_pixels
from unlearning_pl.report.run_settings import read_run_settings
from unlearning_pl.report.sections import draw_figures

_SUFFIX = ".audit"


def log_to_tensorboard(
    folder: str | Path,
    audit: Audit,
    step: int = 0,
    settings: Mapping[str, Any] | None = None,
    references: Sequence[Audit] = (),
) -> None:
    """Log metrics as scalars ``audit/<metric>``, the report's figures as images and settings as hyperparameters.

    All of it goes into one event file of the run. ``SummaryWriter.add_hparams`` would create a separate run for the
    settings, and a list of metrics that hides the parameters of every other method: without that list TensorBoard's
    HPARAMS tab shows the union over all runs.

    Args:
        folder: Run folder with the training curves; the new event file replaces that of an earlier audit.
        audit: Audit of the run's model.
        step: Global step in TensorBoard.
        settings: Settings of the run, as in the report's context.
        references: Audits of the original and the retrained model to compare with in the figures.

    Example:
        >>> import tempfile, torch
        >>> folder = tempfile.mkdtemp()
        >>> log_to_tensorboard(folder, Audit("ac", {"membership_auc": 0.5}, {}, torch.zeros(0, 0)))
        >>> len(list(Path(folder).glob("events.*")))
        1
    """
    earlier = list(Path(folder).glob(f"events.out.tfevents.*{_SUFFIX}"))
    with named_errors(folder), SummaryWriter(str(folder), filename_suffix=_SUFFIX) as writer:
        if settings:
            _, start, end = hparams(_parameters(audit.name, settings), {})  # type: ignore[no-untyped-call]
            for summary in (start, end):
                writer.file_writer.add_summary(summary)
        for key, value in _scalars(audit).items():
            writer.add_scalar(f"audit/{key}", value, step)
        for kind, figure in draw_figures(audit, references).items():
            writer.add_image(f"audit/{kind}", render_pixels(figure), step, dataformats="HWC")
        new_file = Path(writer.file_writer.event_writer._file_name)
    for path in earlier:
        if path != new_file:
            path.unlink()


def _scalars(audit: Audit) -> dict[str, float]:
    """Metrics, the ends of their intervals, and accuracies of the classes with images."""
    scalars = dict(audit.metrics)
    for key, (low, high) in audit.intervals.items():
        scalars |= {f"{key}/low": low, f"{key}/high": high}
    for split, accuracy in audit.class_accuracy.items():
        classes = enumerate(accuracy.tolist())
        scalars |= {f"{split}_accuracy/{number}": value for number, value in classes if not math.isnan(value)}
    return scalars


def _parameters(name: str, settings: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Method and parameters in the four value types that TensorBoard accepts."""
    run = read_run_settings(name, settings)
    values = {"method": run.method or name, **run.parameters}
    return {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in values.items()}
