"""Terminal tables of a preview."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from unlearning_pl.errors import printable
from unlearning_pl.splitting.preview import Preview

_MAX_CLASSES = 20
_STYLE: dict[str, Any] = {"box": SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
_NUMERIC_COLUMNS = ("Images", "Asked", "Of", "%", "Asked again", "Cosine")


def tables(found: Preview, show: int = 20) -> Iterator[RenderableType]:
    """Build the tables of a preview, which fit a terminal of 100 columns.

    Args:
        found: The preview.
        show: Maximum number of near duplicates to list.

    Example:
        >>> from rich.console import Console
        >>> import torch
        >>> from unlearning_pl.functional.duplicates import near_duplicates
        >>> none = near_duplicates(torch.eye(1), torch.zeros(2, 1), 0.97)
        >>> found = Preview({"count": 1}, ["a"], {"retain": 2, "forget": 1}, [], [], none, ["b", "c"], 0.97, "pixels")
        >>> with (console := Console(width=100)).capture() as capture:
        ...     console.print(*tables(found))
        >>> "None of the 1 image" in capture.get()
        True
    """
    yield _table("Request", ("", "Images"), _count_rows(found))
    if found.classes:
        yield _table("Classes", ("Class", "Asked", "Of", "%"), _class_rows(found))
    if found.earlier:
        rows = [(one.name, str(one.asked), str(one.again)) for one in found.earlier]
        yield _table("Asked before", ("Request", "Images", "Asked again"), rows)
    if show and len(found.pairs.first):
        yield _table("Near duplicates that stay", ("Forget", "Retain", "Cosine"), _pair_rows(found, show))
    yield Text(printable(duplicates_sentence(found)))


def duplicates_sentence(found: Preview) -> str:
    """One sentence on how many images to forget have a near duplicate in the retain set."""
    n = len(found.ids)
    copied = int(found.pairs.of_first.sum())
    number = f"{copied or 'None'} of the {n} image{'s' * (n != 1)} to forget"
    measure = f"by {found.by}, cosine {found.threshold:g} or more"
    if not copied:
        return f"{number} has a near duplicate in the retain set ({measure})."
    return (
        f"{number} {'has' if copied == 1 else 'have'} a near duplicate in the retain set ({measure}): "
        f"{found.pairs.total} pair{'s' * (found.pairs.total != 1)} with {len(found.duplicates)} retained. What a copy "
        "shows is not forgotten; --include_duplicates adds the copies to the file of --output."
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    rich_table = Table(**_STYLE)
    for name in columns:
        rich_table.add_column(name, overflow="fold", justify="right" if name in _NUMERIC_COLUMNS else "left")
    for row in rows:
        # Text, because rich would parse a name in brackets as markup
        rich_table.add_row(*(Text(printable(cell)) for cell in row))
    return Group(Text(title, style="bold"), rich_table)


def _count_rows(found: Preview) -> list[tuple[str, str]]:
    fields = ", ".join(f"{name} {_shorten(value)}" for name, value in found.request.items())
    before = found.counts["forget"] - len(found.ids)
    rows = {f"forget ({fields})": len(found.ids), "forgotten before": before, **found.counts}
    del rows["forget"]
    return [(name, str(count)) for name, count in rows.items() if count or name == "retain"]


def _class_rows(found: Preview) -> list[tuple[str, str, str, str]]:
    rows, rest = found.classes[:_MAX_CLASSES], found.classes[_MAX_CLASSES:]
    if rest:
        title = f"{len(rest)} more {'class' if len(rest) == 1 else 'classes'}"
        rows = [*rows, (title, sum(row[1] for row in rest), sum(row[2] for row in rest))]
    return [(name, str(asked), str(of), f"{100 * asked / of:.1f}" if of else "-") for name, asked, of in rows]


def _pair_rows(found: Preview, show: int) -> list[tuple[str, str, str]]:
    columns = (found.pairs.first.tolist(), found.pairs.second.tolist(), found.pairs.similarity.tolist())
    rows = [
        (found.ids[first], found.retained[second], f"{similarity:.4f}")
        for first, second, similarity in list(zip(*columns, strict=True))[:show]
    ]
    more = found.pairs.total - len(rows)
    return [*rows, (f"{more} more", "", "")] if more else rows


def _shorten(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{name} {number}" for name, number in value.items()]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 50 else f"{text[:47]}..."
