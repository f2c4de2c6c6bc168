"""The first screen of the page: the verdict on the unlearned model, its figure, the power of the audit, one picture."""

from collections.abc import Sequence
from typing import Any

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.audits.verdict import Verdict
from unlearning_pl.report.metric_terms import BY_KEY
from unlearning_pl.report.score_picture import before_and_after
from unlearning_pl.report.sections import Card
from unlearning_pl.report.verdict_wording import describe_power, describe_verdict, label

NO_VERDICT = (
    "No verdict: a membership attack needs images to forget and images that no model was trained on, and both are not "
    "known of this model."
)
_TONES = {"broken": "bad", "over-forgets": "bad", "remembers": "bad", "cannot tell": "open", "equivalent": "good"}


def unlearned_first(audits: Sequence[Audit]) -> list[Audit]:
    """Order audits for the page: unlearned models in the given order, then the references.

    Example:
        >>> audits = [Audit(name, {}, {}, None) for name in ("original", "retrained", "after")]
        >>> [audit.name for audit in unlearned_first(audits)]
        ['after', 'original', 'retrained']
    """
    return sorted(audits, key=lambda audit: audit.name == ORIGINAL or is_retrained(audit.name))


def first_screen(audits: Sequence[Audit]) -> dict[str, Any]:
    """What the page says before anything else, of its first model.

    Args:
        audits: At least one, in the order of :func:`unlearned_first`.

    Returns:
        ``name``, ``tag`` and ``sentence`` of the first model, its ``figures`` (pairs of title and text), ``power`` (a
        sentence), ``picture`` (SVG or None) with a ``caption``, and the tags of the ``others`` that have a verdict and
        are no reference.

    Example:
        >>> first_screen([Audit("ac", {}, {}, None)])["figures"]
        []
    """
    subject = audits[0]
    picture = before_and_after(audits, subject.name)
    return {
        "name": subject.name,
        "tag": model_tag(subject),
        "sentence": describe_verdict(subject) or NO_VERDICT,
        "figures": [] if subject.verdict is None else _figures(subject.verdict),
        "power": describe_power(subject),
        "picture": None if picture is None else Card(subject.name, [picture]).panels("first")[0][1],
        "caption": "" if picture is None else picture.title,
        "others": [
            {"name": audit.name, "tag": model_tag(audit)}
            for audit in audits[1:]
            if audit.verdict is not None and not is_retrained(audit.name)
        ],
    }


def model_tag(audit: Audit) -> dict[str, str]:
    """The verdict in two or three words, and its tone: ``bad``, ``open``, ``good`` or none for a reference.

    Example:
        >>> model_tag(Audit("retrained", {}, {}, None))
        {'text': 'the reference', 'tone': ''}
    """
    is_reference = is_retrained(audit.name)
    tone = "" if is_reference or audit.verdict is None else _TONES[audit.verdict.kind]
    return {"text": label(audit, is_reference), "tone": tone}


def _figures(verdict: Verdict) -> list[tuple[str, str]]:
    """The headline figure, its interval and the floor; an interval that nothing bounds is said to be unknown."""
    difference, (low, high) = verdict.headline, verdict.interval
    term = BY_KEY["retraining_distance"]
    known = low > -1 and high < 1
    share = f"{100 * (1 - verdict.level):g} % interval"
    if not verdict.compared:
        ends = f"{0.5 + low:.3f} to {0.5 + high:.3f}" if known else "unknown"
        return [("AUC of the attack", f"{difference.auc:.3f}"), ("chance", "0.500"), (share, ends)]
    ends = f"{low:+.3f} to {high:+.3f}" if known else "unknown"
    ends = f"{difference.value:+.3f} ({ends})"
    floor = "unknown" if verdict.floor is None else term.text(verdict.floor)
    kind = "floor" if verdict.compared > 1 else "floor, of images alone"
    return [("distance to retraining", term.text(abs(difference.value))), (kind, floor), (f"difference, {share}", ends)]
