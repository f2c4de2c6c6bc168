"""Logging of audits to TensorBoard, next to the training curves."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.io import named_errors
from unlearning_pl.report.comparison_rows import Row, metric_groups
from unlearning_pl.report.figures import render_pixels
from unlearning_pl.report.metric_terms import MAIN
from unlearning_pl.report.run_settings import read_run_settings
from unlearning_pl.report.score_picture import draw_figures
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict

SORTED_BY = frozenset(
    {"retraining_distance", "membership_auc", "pair_membership_auc", "test_accuracy", "test_recall", "seconds"}
)
"""Metrics that are scalars of TensorBoard too: what the HPARAMS tab sorts runs by."""
_SUFFIX = ".audit"


def log_to_tensorboard(
    folder: str | Path,
    audit: Audit,
    step: int = 0,
    settings: Mapping[str, Any] | None = None,
    references: Sequence[Audit] = (),
    pictures: bool = True,
) -> None:
    """Log an audit as one text, two images and the few numbers by which runs are sorted, with the run's settings.

    Names start with ``verdict/``, which TensorBoard sorts behind ``lr``, ``train/`` and ``val/``: the training comes
    first. The text has the verdict in sentences and a table of the main metrics; the images are the scores before and
    after, and the ROC curve; :data:`SORTED_BY` are the scalars, columns of the HPARAMS tab.

    All of it goes into one event file of the run. ``SummaryWriter.add_hparams`` would create a separate run for the
    settings, and a list of metrics that hides the parameters of every other method: without that list TensorBoard's
    HPARAMS tab shows the union over all runs.

    Args:
        folder: Run folder with the training curves; the new event file replaces that of an earlier audit.
        audit: Audit of the run's model.
        step: Global step in TensorBoard.
        settings: Settings of the run, as in the report's context.
        references: Audits of the original and the retrained models to compare with; others are ignored.
        pictures: Whether to log the images, too.

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
        writer.add_text("verdict/audit", _describe(audit, references), step)
        for key in sorted(SORTED_BY & audit.metrics.keys()):
            writer.add_scalar(f"verdict/{key}", audit.metrics[key], step)
        for kind, figure in draw_figures(audit, references).items() if pictures else ():
            writer.add_image(f"verdict/{kind}", render_pixels(figure), step, dataformats="HWC")
        new_file = Path(writer.file_writer.event_writer._file_name)
    for path in earlier:
        if path != new_file:
            path.unlink()


def _describe(audit: Audit, references: Sequence[Audit]) -> str:
    """The verdict and a table of the main metrics beside those of the references, as Markdown."""
    compared = [
        one for one in references if one.name != audit.name and (one.name == ORIGINAL or is_retrained(one.name))
    ]
    models = [audit, *compared]
    sentences = [describe_verdict(audit), describe_attack(audit), describe_power(audit)]
    rows = [[_cell(row.title), *(_cell(cell.text) for cell in row.cells)] for row in _main_rows(models)]
    table = [["Metric", *(_cell(one.name) for one in models)], ["---", *["---:"] * len(models)], *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n\n".join([f"**{_cell(audit.name)}**", *filter(None, sentences), "\n".join(lines)])


def _main_rows(audits: Sequence[Audit]) -> list[Row]:
    return [row for group in metric_groups(audits, MAIN) for row in group.rows]


def _cell(text: str) -> str:
    """Text as Markdown shows it in a table: names may have any characters."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", text)


def _parameters(name: str, settings: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Method and parameters in the four value types that TensorBoard accepts."""
    run = read_run_settings(name, settings)
    values = {"method": run.method or name, **run.parameters}
    return {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in values.items()}
