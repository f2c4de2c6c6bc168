"""Per-class accuracy of all models side by side, for the HTML page."""

import math
from collections.abc import Sequence

from torch import Tensor

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.report.comparison_rows import Cell, Group, Row, format_gap, gaps_to_retraining
from unlearning_pl.report.report_json import class_labels
from unlearning_pl.types import Split

MAX_CLASSES = 20
"""Maximum number of classes in a table."""


def class_groups(audits: Sequence[Audit], class_names: Sequence[str] = ()) -> tuple[list[Group], int]:
    """Per-class accuracy: one group of rows for forget and one for test images.

    Args:
        audits: All models; the reference is the retrained one, or the mean of several.
        class_names: Names of the classes, in their order.

    Returns:
        The groups, and the number of classes that the larger one omits: those in which the models differ least.

    Example:
        >>> import torch
        >>> audit = Audit("ac", {}, {}, None, class_accuracy={"test": torch.tensor([50.0])})
        >>> class_groups([audit], ["cat"])[0][0].rows[0].title
        'cat'
    """
    result, hidden = [], 0
    for split in ("forget", "test"):
        known = {audit.name: audit.class_accuracy[split] for audit in audits if split in audit.class_accuracy}
        if known:
            count = max(len(values) for values in known.values())
            shown = _most_different(list(known.values()), count)
            labels = class_labels(class_names, count)
            rows = [_class_row(labels[number], number, audits, split) for number in shown]
            result.append(Group(f"{split.capitalize()} images", rows))
            hidden = max(hidden, _count_with_images(list(known.values()), count) - len(shown))
    return result, hidden


def _most_different(models: Sequence[Tensor], count: int) -> list[int]:
    """Indices of the classes with images; of more than ``MAX_CLASSES``, those in which the models differ most."""
    spread = {}
    for number in range(count):
        values = [_accuracy_of(values, number) for values in models]
        known = [value for value in values if value is not None]
        if known:
            spread[number] = max(known) - min(known)
    kept = sorted(spread, key=lambda number: (-spread[number], number))[:MAX_CLASSES]
    return sorted(kept)


def _count_with_images(models: Sequence[Tensor], count: int) -> int:
    return sum(any(_accuracy_of(values, number) is not None for values in models) for number in range(count))


def _accuracy_of(values: Tensor | None, number: int) -> float | None:
    if values is None or number >= len(values) or math.isnan(float(values[number])):
        return None
    return float(values[number])


def _class_row(label: str, number: int, audits: Sequence[Audit], split: Split) -> Row:
    values = [_accuracy_of(audit.class_accuracy.get(split), number) for audit in audits]
    cells = []
    for value, gap in zip(values, gaps_to_retraining(values, audits), strict=True):
        text = "-" if value is None else f"{value:.1f} %"
        # 50 points get the strongest colour, since most differences are smaller
        tone = 0 if gap is None else max(-100, min(100, round(2 * gap)))
        cells.append(Cell(text, value is not None, format_gap(gap, 1), tone=tone))
    return Row(label, "", cells)
