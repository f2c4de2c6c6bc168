"""Figure sections of the HTML page: each draws one kind of figure for every model that has the data."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, Audit, is_retrained
from unlearning_pl.audits.membership import threshold
from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.functional.alignment import alignment_gap
from unlearning_pl.report.comparison_rows import find_audit
from unlearning_pl.report.figures import svg
from unlearning_pl.report.histograms import Values, highest_share, histogram, value_range
from unlearning_pl.report.map_figures import embedding_map, heat_map
from unlearning_pl.report.metric_terms import attack_key
from unlearning_pl.report.relearning_figure import MEASURES, relearning_figure
from unlearning_pl.report.roc_figures import roc, roc_figure
from unlearning_pl.report.wording import pluralize

_HEAT_MAP_IMAGES = 100  # images in a heat map: with eight models the page stays below 3 MB
_SHARED_PANEL = 4  # up to this many models share one panel of curves
_LOSS_QUANTILE = 0.99  # fraction of the losses within the axis


class Drawing(NamedTuple):
    """One figure.

    Attributes:
        kind: Kind of the figure, unique among the figures of one model.
        title: Heading, if a model has several figures in a section.
        draw: Draws the figure when called, so that figures of models that serve only as a reference cost nothing.
        description: Text alternative.
    """

    kind: str
    title: str
    draw: Callable[[], Figure]
    description: str


class Card(NamedTuple):
    """The figures of one model in one section.

    Attributes:
        name: Name of the model.
        drawings: Its figures.
        title: Replaces the name if the figures show other models too.
        note: Text below the figures.
    """

    name: str
    drawings: Sequence[Drawing]
    title: str = ""
    note: str = ""

    def panels(self, prefix: str) -> list[tuple[str, Markup]]:
        """Title and SVG of each figure, with ids that start with ``prefix``."""
        return [(d.title, svg(d.draw(), d.description, f"{prefix}p{row}")) for row, d in enumerate(self.drawings)]


def scores(audits: Sequence[Audit]) -> list[Card]:
    """Histograms of the membership scores, one card per model.

    Example:
        >>> scores([])
        []
    """
    models = {audit.name: audit.scores for audit in audits if audit.scores}
    limits = value_range([*models.values()])
    thresholds = {name: threshold(values) for name, values in models.items()}
    drawings = _histograms("scores", "Membership score", models, limits, thresholds)
    return [Card(name, [drawing]) for name, drawing in drawings.items()]


def curves(audits: Sequence[Audit]) -> list[Card]:
    """ROC curves of forget against test images: one card for few models, else one per model with the references.

    Example:
        >>> curves([])
        []
    """
    known = [audit for audit in audits if {"forget", "test"} <= audit.scores.keys()]
    rates = {audit.name: roc(audit.scores["forget"], audit.scores["test"]) for audit in known}
    keys = {audit.name: attack_key(audit.metrics) for audit in known}
    auc = {audit.name: audit.metrics[keys[audit.name]] for audit in known if keys[audit.name] in audit.metrics}
    return [Card(name, [_curve(names, rates, auc)], title) for name, title, names in _share_panels([*rates])]


def alignments(audits: Sequence[Audit]) -> list[Card]:
    """Heat maps of the alignment before, after and of their gap, one card per model; without an original only after.

    Example:
        >>> alignments([])
        []
    """
    original = find_audit(audits, ORIGINAL)
    shown = [audit for audit in audits if len(audit.alignment) and (audit is not original or len(audits) == 1)]
    before = None if original is None or not len(original.alignment) else original.alignment
    maps = {audit.name: _alignment_matrices(audit.alignment, before) for audit in shown}
    gaps = [panels["gap"].abs().max().item() for panels in maps.values() if "gap" in panels]
    cards = []
    for name, panels in maps.items():
        count = len(panels["after"])
        note = "The only forget image." if count == 1 else f"The first {count} forget images."
        drawings = [_heat_map(name, kind, matrix, max(gaps, default=1.0)) for kind, matrix in panels.items()]
        cards.append(Card(name, drawings, note=note))
    return cards


def spaces(audits: Sequence[Audit]) -> list[Card]:
    """Maps of the embedding space, one card per model.

    Example:
        >>> spaces([])
        []
    """
    return [Card(audit.name, [_embedding_map(audit)]) for audit in audits if audit.map]


def confidences(audits: Sequence[Audit]) -> list[Card]:
    """Histograms of the probability of the true class and of the loss, one card per model.

    Example:
        >>> confidences([])
        []
    """
    probabilities = {audit.name: audit.probabilities for audit in audits if audit.probabilities}
    losses = {audit.name: audit.losses for audit in audits if audit.losses}
    # A model damaged by unlearning has losses that would compress those of all others into one bar
    references = [losses[name] for name in (ORIGINAL, RETRAINED) if name in losses]
    limits = value_range(references or [*losses.values()], _LOSS_QUANTILE)
    kinds = [
        _histograms("probabilities", "Probability of the true class", probabilities, (0.0, 1.0)),
        _histograms("losses", "Loss", losses, limits),
    ]
    cards = [Card(audit.name, [kind[audit.name] for kind in kinds if audit.name in kind]) for audit in audits]
    return [card for card in cards if card.drawings]


def relearning(audits: Sequence[Audit]) -> list[Card]:
    """Curves of a training on retain images alone, grouped like the ROC curves; a measure that no model has is omitted.

    Example:
        >>> relearning([])
        []
    """
    known = {audit.name: audit.retain_relearning for audit in audits if audit.retain_relearning is not None}
    return [
        Card(name, _relearning_drawings({one: known[one] for one in names}), title)
        for name, title, names in _share_panels([*known])
    ]


KINDS: tuple[Callable[[Sequence[Audit]], list[Card]], ...] = (
    scores,
    curves,
    alignments,
    spaces,
    confidences,
    relearning,
)
"""All sections, in the order of the page."""


def _share_panels(names: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """Name and title of each card of curves, with the models in it: few models share one, of many each has its own."""
    if len(names) <= _SHARED_PANEL:
        return [(names[0], "All models" if len(names) > 1 else "", [*names])] if names else []
    references = [name for name in names if name == ORIGINAL or is_retrained(name)]
    return [(name, "", [*references, name]) for name in names if name not in references]


def _histograms(
    kind: str,
    label: str,
    models: Mapping[str, Values],
    limits: tuple[float, float],
    thresholds: Mapping[str, float | None] | None = None,
) -> dict[str, Drawing]:
    top = highest_share([*models.values()], limits)
    drawings = {}
    for name, values in models.items():
        means = "; ".join(
            f"{k}: mean {v.mean():.3f} over {pluralize(len(v), 'image')}" for k, v in values.items() if len(v)
        )
        description = f"Histogram of the {label.lower()} of {name}. {means}."
        draw = partial(histogram, values, limits, top, (thresholds or {}).get(name), label)
        drawings[name] = Drawing(kind, "", draw, description)
    return drawings


def _curve(names: Sequence[str], rates: Mapping[str, Tensor], auc: Mapping[str, float]) -> Drawing:
    areas = "; ".join(f"{name}: AUC {auc[name]:.3f}" for name in names if name in auc)
    description = f"ROC curves, forget against test images, on logarithmic axes. {areas}."
    return Drawing("roc", "", partial(roc_figure, {name: rates[name] for name in names}, auc), description)


def _relearning_drawings(curves: Mapping[str, RelearningCurve]) -> list[Drawing]:
    drawings = []
    for measure, label in MEASURES.items():
        values = {name: getattr(curve, measure) for name, curve in curves.items() if getattr(curve, measure)}
        ends = "; ".join(f"{name}: {known[0]:.2f} before, {known[-1]:.2f} after" for name, known in values.items())
        description = f"{label}, over epochs of training on retain images. {ends}."
        if values:
            drawings.append(Drawing(measure, "", partial(relearning_figure, curves, measure), description))
    return drawings


def _alignment_matrices(after: Tensor, before: Tensor | None) -> dict[str, Tensor]:
    after = after[:_HEAT_MAP_IMAGES, :_HEAT_MAP_IMAGES]
    if before is None or before[:_HEAT_MAP_IMAGES, :_HEAT_MAP_IMAGES].shape != after.shape:
        return {"after": after}
    before = before[:_HEAT_MAP_IMAGES, :_HEAT_MAP_IMAGES]
    return {"before": before, "after": after, "gap": alignment_gap(before, after)}


def _heat_map(name: str, kind: str, matrix: Tensor, limit: float) -> Drawing:
    title = {"before": "Before: the original", "after": "After", "gap": "Gap: before minus after"}[kind]
    description = (
        f"Alignment of {pluralize(len(matrix), 'forget image')}, {name}, {title}: mean "
        f"{matrix.diagonal().mean():.3f} on the diagonal, {matrix.mean():.3f} over all pairs."
    )
    draw = partial(heat_map, matrix, limit if kind == "gap" else None)
    return Drawing(f"alignment_{kind}", title, draw, description)


def _embedding_map(audit: Audit) -> Drawing:
    counts = ", ".join(pluralize(len(points), f"{split} image") for split, points in audit.map.items())
    description = f"Embedding space of {audit.name} by t-SNE: {counts}."
    return Drawing("map", "", partial(embedding_map, audit.map), description)
