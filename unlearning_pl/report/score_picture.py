"""The picture of the first screen: scores of the headline attack on all splits, before and after unlearning."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.report.comparison_rows import find_audit
from unlearning_pl.report.figures import INK, legend, style_axes
from unlearning_pl.report.histograms import Values, draw_values, highest_share, value_range
from unlearning_pl.report.sections import Drawing, curves
from unlearning_pl.types import Split

_LABELS = {
    "mean": "Similarity of two views of an image",
    "vector": "Score of the attack on the similarities of views",
    "set": "Score of the attack on the set of similarities",
    "confidence": "Log odds of the true class",
    "pair": "Similarity of image and caption",
}
_OUTSIDE = 0.01  # fraction of the scores beyond either end of the axis; they count in the outermost bars
_WITHOUT_RETAIN = "Retain images are not drawn: the attack was trained on them."


def before_and_after(audits: Sequence[Audit], name: str) -> Drawing | None:
    """Draw the scores of the headline attack by the original and by a model below it, on shared axes.

    Args:
        audits: All models.
        name: The model.

    Returns:
        None if the model has no scores. Without an original the model is drawn alone.

    Example:
        >>> before_and_after([Audit("ac", {}, {}, None)], "ac") is None
        True
    """
    audit, original = find_audit(audits, name), find_audit(audits, ORIGINAL)
    if audit is None or not any(map(len, audit.scores.values())):
        return None
    attack = audit.verdict.attack if audit.verdict is not None else "pair" if _reads_text(audit) else "mean"
    shown = [audit] if original is None or audit is original else [original, audit]
    panels = {_title(one, len(shown) > 1): attack_scores(one, attack) for one in shown}
    panels = {title: values for title, values in panels.items() if any(map(len, values.values()))}
    means = "; ".join(_describe(title, values) for title, values in panels.items())
    description = f"{_LABELS[attack]}: histograms of the images. {means}."
    caption = _WITHOUT_RETAIN if attack in ("vector", "set") else ""
    return Drawing("scores", caption, partial(_figure, panels, _LABELS[attack]), description)


def attack_scores(audit: Audit, attack: str) -> dict[Split, Tensor]:
    """Scores of an attack by split: those that the verdict compares, and those of the retain images if known.

    Example:
        >>> attack_scores(Audit("ac", {}, {"retain": torch.ones(2)}, None), "mean")
        {'retain': tensor([1., 1.])}
    """
    if attack not in audit.evidence.attacks:
        return dict(audit.scores)
    forget, test = audit.evidence.attacks[attack]
    scores: dict[Split, Tensor] = {"forget": forget, "test": test}
    if attack in ("mean", "pair") and "retain" in audit.scores:
        scores["retain"] = audit.scores["retain"]
    elif attack == "confidence" and "retain" in audit.probabilities:
        # A probability of 1 after rounding has infinite log odds, and counts in the last bar
        scores["retain"] = audit.probabilities["retain"].double().logit().nan_to_num(posinf=1e6, neginf=-1e6)
    return scores


def draw_figures(audit: Audit, references: Sequence[Audit] = ()) -> dict[str, Figure]:
    """Draw what is seen of a model beside its training curves: ``scores`` before and after, and ``roc``.

    Args:
        audit: Audit of the model.
        references: Audits of the original and the retrained models to compare with; others are ignored.

    Example:
        >>> list(draw_figures(Audit("ac", {}, {"test": torch.rand(20)}, torch.zeros(0, 0))))
        ['scores']
    """
    compared = [
        one for one in references if (one.name == ORIGINAL or is_retrained(one.name)) and one.name != audit.name
    ]
    picture = before_and_after([*compared, audit], audit.name)
    cards = [card for card in curves([*compared, audit]) if "forget" in audit.scores and "test" in audit.scores]
    drawings = [drawing for card in cards for drawing in card.drawings]
    return {drawing.kind: drawing.draw() for drawing in ([picture] if picture else []) + drawings}


def _reads_text(audit: Audit) -> bool:
    return "pair_membership_auc" in audit.metrics


def _title(audit: Audit, compared: bool) -> str:
    if not compared:
        return audit.name
    return "Before: the original" if audit.name == ORIGINAL else f"After: {audit.name}"


def _describe(title: str, values: Mapping[Split, Tensor]) -> str:
    parts = [f"{split} mean {scores.mean():.3f} over {len(scores)}" for split, scores in values.items() if len(scores)]
    return f"{title}: {', '.join(parts)}"


def _figure(panels: Mapping[str, Values], label: str) -> Figure:
    """One panel below the other, so that what moved along the shared axis is seen on a narrow screen too."""
    figure = Figure(figsize=(3.5, 0.75 + 1.05 * len(panels)), layout="constrained")
    rows = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
    limits = _limits([*panels.values()])
    top = highest_share([*panels.values()], limits)
    for axes, (title, values) in zip(rows, panels.items(), strict=True):
        draw_values(axes, values, limits)
        style_axes(axes)
        axes.set(xlim=limits, ylim=(0, 1.08 * top))
        title = title if len(title) <= 40 else f"{title[:39]}…"
        axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=9.5, color=INK)
    rows[-1].set_xlabel(label)
    figure.supylabel("Images, %", fontsize=9.5, color=INK)
    legend(figure, rows[0], columns=3)
    return figure


def _limits(panels: Sequence[Values]) -> tuple[float, float]:
    """Range of the scores of forget and test images, without the farthest; the others have no say if these exist."""
    decisive: list[Values] = [
        {split: scores for split, scores in values.items() if split != "retain"} for values in panels
    ]
    known = decisive if any(len(scores) for values in decisive for scores in values.values()) else list(panels)
    joined = torch.cat([scores.double() for values in known for scores in values.values()])
    return value_range([{"test": joined.quantile(torch.tensor([_OUTSIDE, 1 - _OUTSIDE], dtype=joined.dtype))}])
