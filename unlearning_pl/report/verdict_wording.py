"""The verdict of an audit in a few words and in sentences, for readers without a background in statistics."""

from math import isfinite

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.audits.verdict import UTILITY_MARGIN, Verdict

ATTACKS = {
    "mean": "the similarity of two views of an image",
    "vector": "a network trained on the similarities of an image's views",
    "set": "a network trained on the set of similarities of an image's views",
    "confidence": "the confidence in the true class",
    "pair": "the similarity of an image and its captions",
}
"""What each attack looks at."""
_LABELS = {
    "broken": "broken",
    "over-forgets": "over-forgets",
    "remembers": "still remembers",
    "cannot tell": "cannot tell",
    "equivalent": "equivalent to retraining",
}
_SENTENCES = {
    "constant": "Broken: it gives all images the same score, so that nothing can be said of what it knows.",
    "utility": "Broken: it has lost {lost} against the retrained models, {spread}.",
    "less": "It over-forgets: the images to forget are less familiar to it than to models retrained without "
    "them, which gives them away as well.{opposite}",
    "more": "It {still}remembers: the images to forget are more familiar to it than {than}.",
    "more_alone": "Cannot tell: the images to forget are more familiar to it than unseen ones, but may differ in "
    "kind from these; a retrained model would show it.",
    "less_alone": "Cannot tell: the images to forget are less familiar to it than unseen ones, which gives them "
    "away; without a retrained model it is not known why.{opposite}",
    "one_reference": "Cannot tell: the images to forget differ in kind from the unseen ones, and one retrained model "
    "does not show how far trainings differ on them; give two more.",
    "no_reference": "Cannot tell: this attack does not tell the images from unseen ones, which is no evidence that "
    "there is no trace; without a retrained model an audit cannot show more.",
    "no_original": "Cannot tell: without the original it is not known whether this attack would have found anything.",
    "original": "Cannot tell: this attack does not tell the original, which was trained on the images, from "
    "retrained models either{need}.",
    "original_near": "Cannot tell: the original itself is not shown to be outside {margin}; give a smaller margin.",
    "wide": "Cannot tell: the difference to the retrained models is not shown to be within {margin}{need}.",
    "no_utility": "Cannot tell: the attacks find no difference, but it is not known whether the model is still as good "
    "as the retrained ones, and a random one would look the same.",
    "one_utility": "Cannot tell: the attacks find no difference to the retrained model, but one does not show how far "
    "trainings differ in utility; give two more.",
    "utility_wide": "Cannot tell: it is not shown that its utility is within {points} points of the retrained models'.",
    "within": "Equivalent to retraining within {margin} and {points} points of utility, at a level of {level} "
    "%; the original lies outside.",
}
"""A sentence for each reason."""


def label(audit: Audit, is_reference: bool = False) -> str:
    """The verdict in two or three words; an empty string without one.

    Args:
        audit: The audit of the model.
        is_reference: Whether it is one of the retrained models.

    Example:
        >>> label(Audit("ac", {}, {}, None)), label(Audit("retrained", {}, {}, None), is_reference=True)
        ('', 'the reference')
    """
    if is_reference:
        return "the reference"
    if audit.verdict is None:
        return ""
    return "remembers" if (audit.verdict.kind, audit.name) == ("remembers", ORIGINAL) else _LABELS[audit.verdict.kind]


def describe_verdict(audit: Audit) -> str:
    """The verdict and its reason in one sentence; an empty string without one.

    Example:
        >>> describe_verdict(Audit("ac", {}, {}, None))
        ''
    """
    verdict = audit.verdict
    if verdict is None:
        return ""
    still = "" if audit.name == ORIGINAL else "still "
    return _SENTENCES[verdict.reason].format(
        still=still,
        than="to models retrained without them" if verdict.compared else "unseen ones, if both are of one kind",
        opposite=_describe_opposite(verdict),
        lost=_describe_loss(verdict),
        spread="beyond their spread" if verdict.compared > 1 else "of which one alone shows no spread",
        margin=f"±{verdict.margin:g} of the AUC",
        points=f"{UTILITY_MARGIN:.0f}",
        level=f"{100 * verdict.level:g}",
        need=_describe_need(verdict),
    )


def describe_attack(audit: Audit) -> str:
    """The headline figure with its interval and floor, in one sentence; an empty string for a retrained model.

    Example:
        >>> describe_attack(Audit("ac", {}, {}, None))[:57]
        'How well an attacker tells forgotten from unseen images i'
    """
    verdict = audit.verdict
    if verdict is None and is_retrained(audit.name):
        return ""
    if verdict is None:
        return (
            "How well an attacker tells forgotten from unseen images is not defined: there are no images of one of the "
            "two kinds."
        )
    difference = verdict.headline
    low, high = (f"{end:+.2f}" if isfinite(end) else "unknown" for end in verdict.interval)
    attacker = f"By {ATTACKS[verdict.attack]}, an attacker"
    sentence = f"{attacker} tells forgotten from unseen images with AUC {difference.auc:.2f}"
    if not verdict.compared:
        return f"{sentence}; 0.50 is chance, and {difference.value:+.2f} lies between {low} and {high}."
    floor = "" if verdict.floor is None else f"; retrained models differ by {verdict.floor:.2f} among themselves"
    share = " as far as the images alone can show" if verdict.compared == 1 and verdict.floor is not None else ""
    return (
        f"{sentence}, retrained models with {difference.reference:.2f}: a distance of {abs(difference.value):.2f} "
        f"(difference {difference.value:+.2f}, {low} to {high}{floor}{share})."
    )


def describe_power(audit: Audit) -> str:
    """What the audit could have found at all, in one sentence; an empty string without a verdict.

    Example:
        >>> describe_power(Audit("ac", {}, {}, None))
        ''
    """
    verdict = audit.verdict
    if verdict is None:
        return ""
    if verdict.detectable >= 1:
        return "With so few images this audit finds nothing reliably, whatever the model knows."
    return f"With this many images it would have found an AUC of {verdict.detectable:.2f} or more in 80 of 100 cases."


def _describe_opposite(verdict: Verdict) -> str:
    """The attacks that find the images more familiar, where the verdict is that another finds them less familiar."""
    attacks = [ATTACKS[attack] for attack, (low, _) in verdict.intervals.items() if low > 0]
    if not attacks:
        return ""
    remembers = ", so that it remembers them too" if verdict.compared else ""
    return f" By {' and by '.join(attacks)}, however, they are more familiar to it{remembers}."


def _describe_loss(verdict: Verdict) -> str:
    losses = [(lost, name.replace("_", " ")) for name, (lost, _, _) in verdict.lost.items()]
    lost, measure = max(losses, default=(0.0, "utility"))
    return f"{lost:.1f} points of {measure}"


def _describe_need(verdict: Verdict) -> str:
    return (
        ""
        if verdict.needed is None
        else f"; about {verdict.needed} images to forget, with more unseen ones in proportion, would do"
    )
