"""Sentences of the report: request, alignment and utility in plain English."""

from collections.abc import Mapping, Sequence
from typing import Any

from unlearning_pl.audits.compare_models import mean_of_references
from unlearning_pl.audits.embeddings import Audit, is_retrained
from unlearning_pl.report.metric_terms import attack_key


def pluralize(count: int, noun: str) -> str:
    """A number with its noun, in the plural if it is not one.

    Example:
        >>> pluralize(1, "epoch"), pluralize(3, "image")
        ('1 epoch', '3 images')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


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


def describe_alignment(audit: Audit, original: Audit | None, references: Sequence[Audit] = ()) -> str:
    """Compare the alignment of forgotten images with that of the original; an empty string if it is not known.

    Args:
        audit: The model.
        original: The model before unlearning, if it was audited.
        references: The retrained models, whose mean is named of a model that is not one of them.

    Example:
        >>> before, after = (Audit("", {"forget_alignment": value}, {}, None) for value in (0.91, 0.6))
        >>> describe_alignment(after, before)
        'Two views of a forgotten image have a mean similarity of 0.60; in the original it is 0.91.'
    """
    value = audit.metrics.get("forget_alignment")
    if original is None or audit is original or value is None or "forget_alignment" not in original.metrics:
        return ""
    reference = _mean(audit, references, "forget_alignment")
    known = "" if reference is None else f", in {_name(references)} {reference:.2f}"
    before = original.metrics["forget_alignment"]
    both = "A forgotten image and its caption" if _pair_suffix(audit) else "Two views of a forgotten image"
    return f"{both} have a mean similarity of {value:.2f}; in the original it is {before:.2f}{known}."


def _mean(audit: Audit, references: Sequence[Audit], key: str) -> float | None:
    """Mean of a metric over the retrained models, of which none is compared itself."""
    return None if is_retrained(audit.name) else mean_of_references([one.metrics.get(key) for one in references])


def _name(references: Sequence[Audit]) -> str:
    return "the retrained model" if len(references) == 1 else "the retrained models on average"


def _pair_suffix(audit: Audit) -> str:
    return " of images and captions" if attack_key(audit.metrics).startswith("pair") else ""


def describe_utility(audit: Audit, references: Sequence[Audit] = ()) -> str:
    """Describe test accuracy and cost; an empty string if neither is known.

    Args:
        audit: The model.
        references: The retrained models, whose mean a model that is not one of them is compared with.

    Example:
        >>> describe_utility(Audit("ac", {"test_accuracy": 91.2, "seconds": 2.0, "speed_up": 15.0}, {}, None))
        'Test accuracy 91.2 %. It took 2.0 s, 15.0 times faster than retraining.'
    """
    sentences = []
    key = "test_recall" if "test_recall" in audit.metrics else "test_accuracy"
    quality, seconds = audit.metrics.get(key), audit.metrics.get("seconds")
    if quality is not None:
        reference = _mean(audit, references, key)
        against = "" if reference is None else f" ({quality - reference:+.1f} points against {_name(references)})"
        name = key.replace("_", " ").capitalize()
        sentences.append(f"{name} {quality:.1f} %{against}.")
    if seconds is not None:
        speed = audit.metrics.get("speed_up")
        times = "" if speed is None else f", {_speed_text(speed)} than retraining"
        sentences.append(f"It took {seconds:.1f} s{'' if is_retrained(audit.name) else times}.")
    return " ".join(sentences)


def _speed_text(speed: float) -> str:
    return f"{speed:.1f} times faster" if speed >= 1 else f"{1 / speed:.1f} times slower"
