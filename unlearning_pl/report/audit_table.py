"""The comparison of models as a table in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.steps import STEP_METRICS
from unlearning_pl.errors import printable
from unlearning_pl.report.metric_term import Term
from unlearning_pl.report.metric_terms import BY_KEY, COLUMNS, PAIR_COLUMNS, columns

_EXPLAINED = (
    (
        ("retain_accuracy", "test_accuracy", "forget_accuracy"),
        "RA, TA, UA: accuracy on retain, test and forget images.",
    ),
    (("encoder_mi",), "EMIA: forget images that a membership attack takes for unseen, by embeddings."),
    (("classifier_mi",), "CMIA: the same by class probabilities."),
    (
        ("retain_recall", "test_recall", "forget_recall"),
        "RR, TR, UR: recall of images and captions of retain, test and forget pairs among the test set's, mean of @1, "
        "@5, @10 in both directions.",
    ),
    (("pair_mi",), "PMIA: forget pairs that a membership attack takes for unseen."),
    (("membership_auc",), "AUC: how well an attacker tells forget from test images; 0.5 = cannot tell."),
    (
        ("pair_membership_auc",),
        "AUC: how well the similarity of a pair tells forget from test pairs; 0.5 = cannot tell.",
    ),
    (
        ("retraining_distance",),
        "Distance: of the AUC of the strongest attack from the retrained models; Floor: the same among these.",
    ),
    (
        ("average_gap",),
        "Gap: mean distance to the retrained model over the percentages, in points. Good is what is near the retrained "
        "model, not what is extreme.",
    ),
)
"""Keys of columns, and the sentence that explains them."""
_STYLE: dict[str, Any] = {"box": SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}


def table(audits: Sequence[Audit]) -> Table:
    """Build a table with one row per model that fits a terminal of 100 columns.

    It has the columns in which a model has a value, and its caption explains these.

    Args:
        audits: As :func:`unlearning_pl.audits.compute.compare` returns them.

    Example:
        >>> from rich.console import Console
        >>> with (console := Console(width=100)).capture() as capture:
        ...     console.print(table([Audit("original", {"membership_auc": 0.69}, {}, None)]))
        >>> "0.690" in capture.get()
        True
    """
    known = {key for audit in audits for key in audit.metrics}
    selected = [(title, key) for title, key in columns(known) if key in known and key != "speed_up"]  # the page has it
    cells = [[_cell(audit.metrics.get(key), BY_KEY[key]) for _, key in selected] for audit in audits]
    shown = {key for _, key in selected}
    sentences = [sentence for keys, sentence in _EXPLAINED if not shown.isdisjoint(keys)]
    sentences += ["-: not defined."] if any("-" in row for row in cells) else []
    caption = " ".join(sentences)
    rich_table = Table(title="Audit", caption=caption, caption_justify="left", caption_style="dim", **_STYLE)
    rich_table.add_column("Model", overflow="fold", min_width=12)
    for title, _ in selected:
        rich_table.add_column(title, justify="right", no_wrap=True)
    for audit, row in zip(audits, cells, strict=True):
        # Text, because rich would parse a name in brackets as markup
        rich_table.add_row(Text(printable(audit.name)), *row)
    return rich_table


def step_table(audits: Sequence[Audit]) -> Table:
    """Build a table of each step's own forget images, one row per model and step, for models unlearned in several runs.

    Args:
        audits: As for :func:`table`.

    Example:
        >>> step_table([Audit("original", {}, {}, None, ({"count": 8}, {"count": 4}))]).row_count
        2
    """
    known = {key for audit in audits for step in audit.steps for key in step}
    selected = PAIR_COLUMNS if "forget_recall" in known else COLUMNS
    shared = [(title, BY_KEY[key]) for title, key in selected if key in STEP_METRICS]
    rich_table = Table(title="Each step's own share", **_STYLE)
    rich_table.add_column("Model", overflow="fold", min_width=12)
    for title in ("Step", "Images", *(title for title, _ in shared)):
        rich_table.add_column(title, justify="right", no_wrap=True)
    for audit in audits:
        for number, step in enumerate(audit.steps, 1):
            cells = (_cell(step.get(term.key), term) for _, term in shared)
            rich_table.add_row(Text(printable(audit.name)), str(number), f"{step['count']:.0f}", *cells)
    return rich_table


def _cell(value: float | None, term: Term) -> str:
    if value is None:
        return "-"
    return f"{value:.{term.digits}f}" + ("x" if term.unit == "x" else "")
