"""Tables of a plan in the column order of the papers, as Markdown and LaTeX."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from unlearning_pl.benchmark.benchmark_table import DISTANCE, cell
from unlearning_pl.benchmark.method_comparison import Mark, compare_methods, describe_pairs, find_marks
from unlearning_pl.benchmark.plan_figures import COUN_GAP, FORGET_ERROR, PASSES, PlanFigures
from unlearning_pl.report.metric_terms import BY_KEY, PAIR_KEY, TERMS, columns

Columns = Literal["muc", "coun", "all"]
_MUC = (
    ("EMIA %", "encoder_mi"),
    ("RA %", "retain_accuracy"),
    ("TA %", "test_accuracy"),
    ("UA %", "forget_accuracy"),
    ("CMIA %", "classifier_mi"),
    ("Gap", "average_gap"),
    ("Time, s", "seconds"),
)
_MUC_PAIRS = (
    ("PMIA %", "pair_mi"),
    ("RR %", "retain_recall"),
    ("TR %", "test_recall"),
    ("UR %", "forget_recall"),
    *_MUC[-2:],
)
_COUN = (
    ("RA %", "retain_accuracy"),
    ("UA %", FORGET_ERROR),
    ("TA %", "test_accuracy"),
    ("MIA %", "classifier_mi"),
    ("Gap", COUN_GAP),
    ("Cost, image passes", PASSES),
)
_DIGITS = {FORGET_ERROR: 1, COUN_GAP: 2, PASSES: 0}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",  # as the next two, another sign in the default font encoding
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # as the next, part of the end of the row before if a name begins with it
    "*": "{*}",
}


class ResultCell(NamedTuple):
    """A cell: mean and standard deviation as printed, ``-`` if there is none, and its mark.

    Of a metric that is defined in some of the model's seeds only, the text has their number.
    """

    text: str
    mark: Mark | None = None


class ResultTable(NamedTuple):
    """A table of a plan.

    Attributes:
        plan: Name of the plan.
        headings: Of the columns after the first.
        rows: Name and cells of each model: methods by their distance to retraining, retrained models, the original.
        note: Which pairs of methods are told apart, and which are broken.
    """

    plan: str
    headings: list[str]
    rows: list[tuple[str, list[ResultCell]]]
    note: str


def result_tables(figures: PlanFigures, order: Columns) -> list[ResultTable]:
    """Make the tables of a plan; ``all`` has one of the main metrics and one of all others.

    A cell is marked only if :func:`~unlearning_pl.benchmark.method_comparison.compare_methods` tells its method apart
    from the next one in the distance of this metric to retraining.

    Args:
        figures: Figures of the plan.
        order: Columns: those of MUC (arXiv 2406.03603), CoUn (arXiv 2509.16391), or every metric.
    """
    if order == "muc":
        return [_table(figures, _MUC_PAIRS if PAIR_KEY in figures.known else _MUC)]
    if order == "coun":
        return [_table(figures, _COUN)]
    main = columns(figures.known)
    shown = {key for _, key in main}
    rest = [(f"{t.title}{t.unit}", t.key) for t in TERMS if t.key in figures.known - shown]
    rest += [("Image passes", PASSES)] if PASSES in figures.known else []
    return [_table(figures, part) for part in (main, rest) if part]


def render_markdown(table: ResultTable) -> str:
    r"""Render a table as GitHub markdown; the best is bold, the second in italics.

    Example:
        >>> print(render_markdown(ResultTable("p", ["Gap"], [("a|b", [ResultCell("1.0", "best")])], "")))
        | Model | Gap |
        |---|---:|
        | a\|b | **1.0** |
    """
    style = {"best": "**{}**", "second": "*{}*"}
    lines = [f"| Model | {' | '.join(table.headings)} |", f"|---|{'---:|' * len(table.headings)}"]
    for name, cells in table.rows:
        texts = [style[one.mark].format(one.text) if one.mark else one.text for one in cells]
        lines.append(" | ".join(["| " + escape_markdown(name), *texts]) + " |")
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    r"""Escape what GitHub reads as markup in a line of text; underscores within words are none.

    Example:
        >>> print(escape_markdown("neg_grad _x_ <b> 5 % a|b"))
        neg_grad \_x\_ \<b> 5 % a\|b
    """
    return re.sub(r"[\\`*<|\[\]~&]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def render_latex(table: ResultTable) -> str:
    r"""Render a table for the package booktabs; the best is bold, the second underlined.

    Example:
        >>> r"a\_b & \textbf{1.0 $\pm$ 0.1} \\" in render_latex(
        ...     ResultTable("p", ["Gap"], [("a_b", [ResultCell("1.0 ± 0.1", "best")])], ""))
        True
    """
    style = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}
    head = " & ".join(["Model", *map(escape_latex, table.headings)])
    body = []
    for name, cells in table.rows:
        texts = [one.text.replace("±", r"$\pm$") for one in cells]
        marked = [style[one.mark] % text if one.mark else text for one, text in zip(cells, texts, strict=True)]
        body.append(" & ".join([escape_latex(name), *marked]) + r" \\")
    lines = [
        *(r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(f'{table.plan}. {table.note}')}}}"),
        *(rf"\begin{{tabular}}{{l{'r' * len(table.headings)}}}", r"\toprule", head + r" \\", r"\midrule"),
        *(*body, r"\bottomrule", r"\end{tabular}", r"\end{table}"),
    ]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX reads as a command.

    Example:
        >>> print(escape_latex("neg_grad, 5 % & more"))
        neg\_grad, 5 \% \& more
    """
    return re.sub(r"[\\~^<>|\[*&%$#_{}]", lambda match: _LATEX.get(match[0], f"\\{match[0]}"), text)


def _table(figures: PlanFigures, shown: Sequence[tuple[str, str]]) -> ResultTable:
    marks = {key: find_marks(compare_methods(figures, key)) for _, key in shown}
    broken = figures.broken
    models = [*figures.sound, *broken, *figures.references]
    rows = []
    for name in models:
        cells = [ResultCell(_text(figures, name, key), marks[key].get(name)) for _, key in shown]
        seeds = len(figures.metrics[name])
        label = name if seeds == len(figures.seeds) else f"{name} ({seeds} of {len(figures.seeds)} seeds)"
        rows.append((label, cells))
    note = describe_pairs(compare_methods(figures, DISTANCE))
    note += f" Broken in a seed or more: {', '.join(broken)}." if broken else ""
    note += f" Run with different options in different seeds: {', '.join(figures.mixed)}." if figures.mixed else ""
    return ResultTable(figures.name, [heading for heading, _ in shown], rows, note)


def _text(figures: PlanFigures, name: str, key: str) -> str:
    digits = _DIGITS[key] if key in _DIGITS else BY_KEY[key].digits
    values = [*figures.values(name, key).values()]
    seeds = len(figures.metrics[name])
    return cell(values, digits) + (f" ({len(values)} of {seeds})" if 0 < len(values) < seeds else "")
