"""Figure: improvement of the average gap by plugging CoUn's contrast into each baseline.

References:
    [1] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
"""

import statistics

from matplotlib.figure import Figure

from unlearning_pl.benchmark.benchmark_table import BASELINE
from unlearning_pl.benchmark.plan_figures import COUN_GAP, PlanFigures
from unlearning_pl.errors import printable, require
from unlearning_pl.figures.drawing import Drawing, plain_label
from unlearning_pl.report.figures import COLOURS, INK, style_axes
from unlearning_pl.report.wording import pluralize

PLUG_IN = "coun"
"""Name of the row of the plug-in on fine-tuning; ``NAME_coun`` is that of the plug-in on NAME."""
_COLUMNS = ("baseline", "with_plug_in", "seed", "gap", "gap_with_plug_in", "improvement_percent", "broken")


def plug_in_gain(figures: PlanFigures) -> Drawing:
    r"""Draw the improvement of the average gap of each baseline by the plug-in, in percent [1].

    .. math:: 100 \, (\text{gap} - \text{gap with plug-in}) / \text{gap}

    The gap is CoUn's, over retain, forget and test accuracy and CMIA, or that of the report where one of them is not
    defined.

    Args:
        figures: Figures of a plan with rows NAME and ``NAME_coun``, or ``fine_tune`` and ``coun``.

    Raises:
        InputError: If there are no two such rows with gaps in one seed, or a baseline has no gap to improve.
    """
    key = COUN_GAP if COUN_GAP in figures.known else "average_gap"
    pairs = [(base, name) for name in figures.roles if (base := _baseline(name)) in figures.roles]
    rows: list[tuple[str | int | float, ...]] = []
    for base, name in sorted(pairs):
        before, after = figures.values(base, key), figures.values(name, key)
        for seed in sorted(before.keys() & after.keys()):
            gap, better = before[seed], after[seed]
            require(gap > 0, f"Expected a gap above 0 of {base}, seed {seed}, got {gap}. Nothing is left to improve.")
            broken = sum(model in figures.broken for model in (base, name))
            rows.append((base, name, seed, gap, better, 100 * (gap - better) / gap, broken))
    require(
        bool(rows),
        f"Expected rows NAME and NAME_{PLUG_IN} with gaps in {printable(figures.name)}, got "
        f"{', '.join(map(printable, figures.methods))}. The plan benchmarks/papers/coun has some.",
    )
    seeds = {len([row for row in rows if row[:2] == pair]) for pair in {row[:2] for row in rows}}
    number = pluralize(max(seeds), "seed") if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)} seeds"
    caption = (
        f"{figures.name}: improvement of the average gap to retraining, in percent, by adding CoUn's contrastive term "
        f"(arXiv 2509.16391) to each baseline, mean over {number}, a point a seed. "
        "Hatched: a verdict calls one of the two models broken in a seed."
    )
    return Drawing(_draw(rows), _COLUMNS, rows, caption)


def _baseline(name: str) -> str:
    return BASELINE if name == PLUG_IN else name.removesuffix(f"_{PLUG_IN}") if name.endswith(f"_{PLUG_IN}") else ""


def _draw(rows: list[tuple[str | int | float, ...]]) -> Figure:
    pairs = list(dict.fromkeys((str(row[0]), str(row[1])) for row in rows))
    bases = [base for base, _ in pairs]
    names = [base if bases.count(base) == 1 else f"{base}, {name}" for base, name in pairs]
    figure = Figure(figsize=(5.6, 1.2 + 0.42 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    for place, pair in enumerate(pairs):
        own = [row for row in rows if row[:2] == pair]
        gains = [float(row[5]) for row in own]
        hatch = "///" if any(row[6] for row in own) else ""
        axes.barh(place, statistics.mean(gains), height=0.6, color=COLOURS["retain"], hatch=hatch, edgecolor=INK)
        axes.plot(gains, [place] * len(gains), "o", color=INK, markersize=3.5)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), [plain_label(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("Improvement of the average gap, %")
    style_axes(axes)
    return figure
