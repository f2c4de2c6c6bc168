"""Results of shadow models as a table and as one sentence."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from unlearning_pl.report.wording import pluralize

_TARGETS = {
    ("original", "retrained"): "original, against retrained",
    ("original", "shadow models"): "shadow originals, in turn",
    ("model", "retrained"): "model, against retrained",
    ("model", "shadow models"): "shadow models unlearned, in turn",
    ("retrained", "shadow models"): "retrained, as a control",
}
_DISTANCES = {
    "original": "original",
    "original_chance": "chance for original",
    "model": "model",
    "model_chance": "chance for model",
}
_RATES = ("tpr_at_1_fpr", "tpr_at_0.1_fpr")
_CAPTION = (
    "LiRA: did the original see an image? U-LiRA: did the model see and unlearn it, or never see it? RMIA: either, "
    "relative to test images. AUC 0.5 = cannot tell. Interval: 95 % bootstrap over images. Mean: of the attack's "
    "scores of images that were seen; for U-LiRA a probability, 0.5 where unlearning left no trace. KLOM: how far "
    "models that saw an image, before and after unlearning, are from models that never did; good is near its chance. "
    "-: not defined."
)


def table(result: Mapping[str, Any]) -> Table:
    """Build a table with one row per attack and set of unseen images that fits a terminal of 100 columns.

    Args:
        result: First result of :func:`unlearning_pl.shadow.shadow`.

    Example:
        >>> table({"attacks": [], "klom": {}, "counts": {"shadows": 8}}).row_count
        0
    """
    rich_table = Table(title=f"{result['counts']['shadows']} shadow models", caption=_CAPTION)
    rich_table.caption_justify, rich_table.caption_style = "left", "dim"
    for title in ("Attack", "Target"):
        rich_table.add_column(title, overflow="fold")
    for title in ("AUC", "Interval", "TPR@1 %", "TPR@0.1 %", "Mean"):
        rich_table.add_column(title, justify="right", no_wrap=True)
    for finding in result["attacks"]:
        metrics, (low, high) = finding["metrics"], finding["interval"]
        rates = (f"{metrics[rate]:.1f}" if rate in metrics else "-" for rate in _RATES)
        target = _TARGETS[finding["target"], finding["against"]]
        cells = (f"{metrics['auc']:.3f}", f"{low:.3f}-{high:.3f}", *rates, f"{metrics['mean']:.2f}")
        rich_table.add_row(finding["attack"], target, *cells)
    for target, summary in result["klom"].items():
        rich_table.add_row("KLOM", _DISTANCES[target], "-", "-", "-", "-", f"{summary['mean']:.2f}")
    return rich_table


def sentence(result: Mapping[str, Any]) -> str:
    """Summarise the result in plain words.

    Args:
        result: First result of :func:`unlearning_pl.shadow.shadow`.

    Example:
        >>> sentence({"attacks": [], "counts": {"shadows": 4}})
        '4 shadow models are too few for LiRA in turn. Give --retrained too, or --count 6.'
    """
    counts, aucs = result["counts"], {}
    for finding in result["attacks"]:
        aucs[finding["attack"], finding["target"], finding["against"]] = finding["metrics"]["auc"]
    parts = []
    for against, words in (("retrained", "by the retrained model"), ("shadow models", "by the shadow models in turn")):
        before, after = (aucs.get((*attack, against)) for attack in (("LiRA", "original"), ("U-LiRA", "model")))
        if before is not None:
            parts.append(f"{before:.2f} before unlearning and {after:.2f} after it, judged {words}")
    if not parts:
        return f"{counts['shadows']} shadow models are too few for LiRA in turn. Give --retrained too, or --count 6."
    note = (
        " With fewer than 32 shadow models, variances are pooled over all images."
        if result["settings"]["pooled_variance"]
        else ""
    )
    images = pluralize(counts["images"], "image")
    return (
        f"An attacker with {counts['shadows']} shadow models tells the {images} from unseen ones with an AUC of "
        f"{'; '.join(parts)}. 0.5 is chance.{note}"
    )
