"""Sentences of the report: request, verdict, privacy and utility in plain English."""

from collections.abc import Mapping, Sequence
from typing import Any

from unlearning_pl.audits.embeddings import ORIGINAL, Audit
from unlearning_pl.report.metric_terms import attack_key


def chance_margin(forget: int, test: int) -> float:
    """Margin within which a membership AUC deviates from 0.5 by chance alone, in 95 of 100 cases.

    Two standard deviations of the Mann-Whitney statistic when both sets come from one distribution:
    ``2 sqrt((n + m + 1) / (12 n m))``, at most 0.5.

    Example:
        >>> round(chance_margin(60, 90), 3), chance_margin(1, 2)
        (0.097, 0.5)
    """
    return float(min(0.5, 2 * ((forget + test + 1) / (12 * forget * test)) ** 0.5))


def describe_request(request: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Describe the forget request in one sentence; an empty string if it is unknown.

    Example:
        >>> describe_request({"count": 60, "seed": 2}, {"retain": 340, "forget": 60})
        '60 of 400 training images, drawn at random (seed 2), were to be forgotten.'
    """
    if not request or not {"retain", "forget"} <= counts.keys():
        return ""
    forget = counts["forget"]
    verb = "was" if forget == 1 else "were"
    return f"{forget} of {counts['retain'] + forget} training images, {_selection(request)}, {verb} to be forgotten."


def describe_steps(steps: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> str:
    """Describe the forget requests of several runs in one sentence.

    Example:
        >>> steps = [{"request": {"count": 4, "seed": 2}, "count": 4}, {"request": {"classes": ["cat"]}, "count": 1}]
        >>> describe_steps(steps, {"retain": 5, "forget": 5}).partition(": ")[2]
        '4, drawn at random (seed 2); 1, all of class cat.'
    """
    forget = counts["forget"]
    parts = "; ".join(f"{step['count']}, {_selection(step['request'])}" for step in steps)
    return (
        f"{forget} of {counts['retain'] + forget} training images were to be forgotten in {len(steps)} steps: {parts}."
    )


def _selection(request: Mapping[str, Any]) -> str:
    return {
        "fraction": f"drawn at random (seed {request.get('seed')})",
        "count": f"drawn at random (seed {request.get('seed')})",
        "per_class": f"drawn at random from each class (seed {request.get('seed')})",
        "where": f"all with {request.get('where')}",
        "classes": f"all of class {', '.join(map(str, request.get('classes') or []))}",
        "ids": "named one by one",
        "file": f"named in the file {request.get('file')}",
    }.get(next(iter(request)), "as asked")


def describe_attack(audit: Audit, retrained: Audit | None = None) -> str:
    """Describe what an attacker learns from the model's embeddings, in one sentence.

    Example:
        >>> print(describe_attack(Audit("ac", {"membership_auc": 0.52}, {}, None)))  # doctest: +ELLIPSIS
        An attacker who sees only embeddings separates ... images with AUC 0.52 (0.50 = cannot tell).
    """
    key = attack_key(audit.metrics)
    auc = audit.metrics.get(key)
    if auc is None:
        return (
            "How well an attacker separates forgotten from unseen images is not defined: "
            "there are no images of one of the two kinds."
        )
    reference = None if retrained is None else retrained.metrics.get(key)
    known = "" if reference is None or audit is retrained else f"; retrained reference {reference:.2f}"
    ends = audit.intervals.get(key)
    interval = "" if ends is None else f"; 95 % interval {ends[0]:.2f} to {ends[1]:.2f}"
    return (
        f"An attacker who sees only embeddings{_pair_suffix(audit)} separates forgotten from unseen images "
        f"with AUC {auc:.2f} (0.50 = cannot tell{known}{interval})."
    )


def label(audit: Audit, retrained: Audit | None) -> str:
    """The verdict in two or three words; an empty string without a model to compare with.

    Example:
        >>> label(Audit("ac", {}, {}, None), None)
        ''
    """
    if retrained is None or audit is retrained:
        return "the reference" if audit is retrained else ""
    direction = _direction(audit, retrained)
    still = "" if audit.name == ORIGINAL else "still "
    return {None: "", 0: "like the retrained model", 1: f"{still}remembers", -1: "over-forgets"}[direction]


def verdict(audit: Audit, retrained: Audit | None) -> str:
    """Whether the model remembers or over-forgets, compared with the retrained model, else with chance.

    An empty string if the AUC is not defined. Two models count as alike if their AUCs differ by no more than
    :func:`chance_margin`, a rule of thumb: both are evaluated on the same images, so that their AUCs are correlated.
    Without a retrained model the verdict follows from the AUC's 95 % interval, if it is known.

    Example:
        >>> scores = {"forget": [0.0] * 100, "test": [0.0] * 100}
        >>> model, reference = (Audit("", {"membership_auc": auc}, scores, None) for auc in (0.7, 0.5))
        >>> verdict(model, reference)[:20]
        'It still remembers: '
    """
    direction = None if retrained is None or audit is retrained else _direction(audit, retrained)
    if direction is None:
        return "" if attack_key(audit.metrics) not in audit.metrics else _against_chance(audit, audit is retrained)
    margin = _margin(audit)
    familiar = "forgotten images are {} familiar to it than to the retrained model, by more than chance ({:.2f})"
    if direction > 0:
        return f"It {label(audit, retrained)}: {familiar.format('more', margin)}."
    if direction < 0:
        return f"It over-forgets: {familiar.format('less', margin)}, which gives them away as well."
    return f"The difference to the retrained model is within chance ({margin:.2f} for this many images)."


def _direction(audit: Audit, retrained: Audit) -> int | None:
    """1 if the model remembers more than the retrained one, -1 if less, 0 if the difference is within chance."""
    auc, reference = (model.metrics.get(attack_key(audit.metrics)) for model in (audit, retrained))
    if auc is None or reference is None:
        return None
    margin = _margin(audit)
    return 1 if auc - reference > margin else -1 if reference - auc > margin else 0


def _margin(audit: Audit) -> float:
    return chance_margin(len(audit.scores["forget"]), len(audit.scores["test"]))


def _against_chance(audit: Audit, never_trained_on_them: bool) -> str:
    """Interpret the AUC without another model to compare with."""
    key = attack_key(audit.metrics)
    ends, auc = audit.intervals.get(key), audit.metrics[key]
    if ends is None or (abs(auc - 0.5) <= _margin(audit) and not ends[0] <= 0.5 <= ends[1]):
        return f"By chance alone it lies within 0.50 ± {_margin(audit):.2f} for this many images."
    if ends[0] <= 0.5 <= ends[1]:
        return "The interval contains 0.50: these images do not show a difference."
    if never_trained_on_them:
        return "The interval does not contain 0.50: the images differ that much for a model that has seen neither set."
    if ends[0] > 0.5:
        return "The interval lies above 0.50: forgotten images are more familiar than unseen ones."
    return (
        "The interval lies below 0.50: forgotten images are less familiar than unseen ones, which gives them away too."
    )


def describe_alignment(audit: Audit, original: Audit | None, retrained: Audit | None = None) -> str:
    """Compare the alignment of forgotten images with that of the original; an empty string if it is not known.

    Example:
        >>> before, after = (Audit("", {"forget_alignment": value}, {}, None) for value in (0.91, 0.6))
        >>> describe_alignment(after, before)
        'Two views of a forgotten image have a mean similarity of 0.60; in the original it is 0.91.'
    """
    value = audit.metrics.get("forget_alignment")
    if original is None or audit is original or value is None or "forget_alignment" not in original.metrics:
        return ""
    reference = None if retrained is None else retrained.metrics.get("forget_alignment")
    known = "" if reference is None or audit is retrained else f", in the retrained model {reference:.2f}"
    before = original.metrics["forget_alignment"]
    both = "A forgotten image and its caption" if _pair_suffix(audit) else "Two views of a forgotten image"
    return f"{both} have a mean similarity of {value:.2f}; in the original it is {before:.2f}{known}."


def _pair_suffix(audit: Audit) -> str:
    return " of images and captions" if attack_key(audit.metrics).startswith("pair") else ""


def describe_utility(audit: Audit, retrained: Audit | None = None) -> str:
    """Describe test accuracy and cost; an empty string if neither is known.

    Example:
        >>> describe_utility(Audit("ac", {"test_accuracy": 91.2, "seconds": 2.0, "speed_up": 15.0}, {}, None))
        'Test accuracy 91.2 %. It took 2.0 s, 15.0 times faster than retraining.'
    """
    sentences = []
    key = "test_recall" if "test_recall" in audit.metrics else "test_accuracy"
    quality, seconds = audit.metrics.get(key), audit.metrics.get("seconds")
    if quality is not None:
        reference = None if retrained is None else retrained.metrics.get(key)
        against = "" if reference is None else f" ({quality - reference:+.1f} points against the retrained model)"
        name = key.replace("_", " ").capitalize()
        sentences.append(f"{name} {quality:.1f} %{'' if audit is retrained else against}.")
    if seconds is not None:
        speed = audit.metrics.get("speed_up")
        times = "" if speed is None else f", {_speed_text(speed)} than retraining"
        sentences.append(f"It took {seconds:.1f} s{'' if audit is retrained else times}.")
    return " ".join(sentences)


def _speed_text(speed: float) -> str:
    return f"{speed:.1f} times faster" if speed >= 1 else f"{1 / speed:.1f} times slower"
