"""Pages of results: Markdown, LaTeX and one HTML page, with plots as PNG and SVG."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.benchmark.plan_figures import DERIVED, PASSES, PlanFigures, plan_figures
from unlearning_pl.benchmark.request_families import request_families
from unlearning_pl.benchmark.result_plots import Plot, cost_plot, request_plot, share_plot
from unlearning_pl.benchmark.result_table import (
    Columns,
    ResultTable,
    escape_markdown,
    render_latex,
    render_markdown,
    result_tables,
)
from unlearning_pl.benchmark.results import BROKEN, Result
from unlearning_pl.errors import printable
from unlearning_pl.io import write_text
from unlearning_pl.report.figures import svg, write_png
from unlearning_pl.report.metric_terms import BY_KEY, TERMS
from unlearning_pl.report.templates import open_template

_ABOUT = {
    "muc": "Columns in the order of MUC (arXiv 2406.03603): UA is the accuracy on forget images; gap is over these "
    "five, or, of image-text pairs, over these four.",
    "coun": "Columns in the order of CoUn (arXiv 2509.16391): UA is 100 minus the accuracy on forget images; MIA is "
    "the percentage of forget images that an attack on the confidence takes for unseen (CMIA); gap is over these four; "
    "cost is the number of images that the training steps read, where CoUn has floating-point operations.",
    "all": "Main metrics first, then all others.",
}
_MARKS = (
    "Best and second, by distance to the retrained models, are marked only where they are told apart from the next by "
    "Tukey's HSD over the seeds at 5 %, column by column. -: not defined, or not recorded; (2 of 3): in so many of the "
    "model's seeds."
)


def write_pages(results: Sequence[Result], folder: str | Path, order: Columns, command: Sequence[str]) -> Path:
    """Write ``report.md``, ``report.tex``, ``report.html``, and each plot as ``.png`` and ``.svg``; each is atomic.

    Args:
        results: Rows of one or more plans.
        folder: Output folder.
        order: Columns of the tables, see :func:`~unlearning_pl.benchmark.result_table.result_tables`.
        command: The command that writes the pages.

    Returns:
        The path of ``report.html``.
    """
    plans, folder = plan_figures(results), Path(folder)
    tables = {plan.name: result_tables(plan, order) for plan in plans}
    plots = _plots(plans)
    line, about = shlex.join(command), f"{_ABOUT[order]} {_MARKS}"
    write_text(folder / "report.md", _markdown(plans, tables, plots, line, about))
    latex = [render_latex(table) for plan in plans for table in tables[plan.name]]
    head = f"% {printable(line)}\n% Needs \\usepackage{{booktabs}}. Bold: best, underlined: second. {printable(about)}"
    write_text(folder / "report.tex", "\n\n".join([head, *latex]) + "\n")
    drawn = [(plot, svg(plot.figure, plot.caption, f"p{number}")) for number, plot in enumerate(plots)]
    for plot, drawing in drawn:
        write_text(folder / f"{plot.name}.svg", drawing)
        write_png(plot.figure, folder / f"{plot.name}.png")
    page = open_template("results.html.jinja").render(
        plans=[_plan_section(plan, tables[plan.name]) for plan in plans],
        plots=drawn,
        about=about,
        command=line,
        terms=[term for term in TERMS if any(term.key in plan.known for plan in plans)],
    )
    return write_text(folder / "report.html", printable(page, keep="\n\t"))


def _plots(plans: Sequence[PlanFigures]) -> list[Plot]:
    drawn = [
        *(plot(plan) for plan in plans for plot in (cost_plot, request_plot)),
        *map(share_plot, request_families(plans)),
    ]
    return [plot for plot in drawn if plot is not None]


def _plan_section(plan: PlanFigures, tables: Sequence[ResultTable]) -> dict[str, Any]:
    references = sorted(plan.references, key=lambda name: plan.roles[name] != "original")
    return {
        "name": plan.name,
        "seeds": _seeds(plan),
        "tables": tables,
        "note": tables[0].note,
        "commands": [plan.commands[name] for name in (*references, *plan.methods) if name in plan.commands],
    }


def _seeds(plan: PlanFigures) -> str:
    """Seeds and what is missing."""
    seeds = ", ".join(map(str, plan.seeds))
    text = f"Mean ± standard deviation over the seeds {seeds}." if len(plan.seeds) > 1 else f"Seed {seeds}."
    text += "" if PASSES in plan.known else " Image passes are not in the records of these runs."
    unknown = sorted(key for key in plan.known - {*BY_KEY, *DERIVED, BROKEN} if not key.startswith("step"))
    return text + (f" Not shown, since this version does not know them: {', '.join(unknown)}." if unknown else "")


def _markdown(
    plans: Sequence[PlanFigures],
    tables: dict[str, list[ResultTable]],
    plots: Sequence[Plot],
    command: str,
    about: str,
) -> str:
    parts = ["# Benchmark results", f"    {printable(command)}", about]
    for plan in plans:
        parts += [
            f"## {escape_markdown(plan.name)}",
            escape_markdown(_seeds(plan)),
            *map(render_markdown, tables[plan.name]),
        ]
        parts.append(escape_markdown(tables[plan.name][0].note))
    for plot in plots:
        title, target = escape_markdown(plot.title), re.sub(r"[\\<>]", r"\\\g<0>", plot.name)
        parts += [f"## {title}", f"![{title}](<{target}.png>)", escape_markdown(plot.caption)]
    return "\n\n".join(parts) + "\n"
