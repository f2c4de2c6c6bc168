"""The JSON Schema of ``report.json``, generated from the table of metrics and the fixed parts below.

Run ``python -m unlearning_pl.report.report_schema`` after a change of either; it rewrites ``report.schema.json``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from unlearning_pl.audits.alignment import MAX_SHOWN
from unlearning_pl.audits.steps import STEP_METRICS
from unlearning_pl.io import write_json
from unlearning_pl.report.metric_term import Term
from unlearning_pl.report.metric_terms import TERMS
from unlearning_pl.report.report_json import VERSION
from unlearning_pl.report.roc_figures import POINTS
from unlearning_pl.report.verdict_schema import verdict_schema

Schema: TypeAlias = dict[str, Any]

FILE = Path(__file__).parent / "report.schema.json"
"""The generated schema file."""


def report_schema() -> Schema:
    """Build the schema, draft 2020-12; the description of a metric comes from its row in the table of metrics.

    Example:
        >>> report_schema()["$defs"]["metrics"]["properties"]["test_accuracy"]["$ref"]
        '#/$defs/percent'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Audit of unlearning, version {VERSION}",
        "description": "All measurements on one or several models. A quantity that is not defined, because images or "
        "classes are missing, is absent.",
        "type": "object",
        "required": ["version", "context", "audits"],
        "additionalProperties": False,
        "properties": {
            "version": {"description": "Version of this schema. A reader refuses any other.", "const": VERSION},
            "context": _ref("context"),
            "audits": _AUDITS,
        },
        "$defs": _definitions(),
    }


def _typed(kind: str | list[str], description: str, **rules: Any) -> Schema:
    return {"description": description, "type": kind, **rules}


def _text(description: str) -> Schema:
    return _typed("string", description)


def _count(description: str, minimum: int) -> Schema:
    return _typed("integer", description, minimum=minimum)


def _list(description: str, entry: Schema, **rules: Any) -> Schema:
    return _typed("array", description, **rules, items=entry)


def _any(description: str) -> Schema:
    return _typed("object", description)


def _by_name(description: str, value: Schema) -> Schema:
    return _typed("object", description, additionalProperties=value)


def _by_split(description: str, value: Schema) -> Schema:
    splits = {"enum": ["retain", "forget", "test"]}
    return _typed("object", description, propertyNames=splits, additionalProperties=value)


def _closed_object(description: str, properties: Mapping[str, Schema], **rules: Any) -> Schema:
    """An object that allows no other key."""
    return _typed("object", description, additionalProperties=False, **rules, properties=properties)


def _ref(part: str, description: str = "") -> Schema:
    return ({"description": description} if description else {}) | {"$ref": f"#/$defs/{part}"}


_NUMBER = {"type": "number"}
_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}

_AUDITS = _list(
    "One per model, in the order of the page: if audited, the original first and then the retrained model.",
    _ref("audit"),
    minItems=1,
)

_CONTEXT = {
    "title": _text("Heading of the page."),
    "dataset": _text("Name of the data."),
    "fingerprint": _text("Digest of the data; two audits of the same data have the same digest."),
    "request": _any("Forget request, fields by name: fraction, count, classes, ids, file, per_class or where."),
    "steps": _list(
        "Replaces request if images were forgotten in several runs: the request of each, oldest first.",
        {
            "type": "object",
            "required": ["request", "count"],
            "properties": {"request": _any("As above."), "count": _count("Images of this step.", 1)},
        },
    ),
    "question": _text("Forget request as a sentence; replaces the sentence built from request and counts."),
    "conclusion": _text("Sentences that the page adds to the verdict."),
    "counts": _by_name("Number of images by split.", {"type": "integer", "minimum": 0}),
    "class_names": _list("Names of the classes, in their order.", {"type": "string"}),
    "commands": _list("Commands that reproduce the models and this report, in order.", {"type": "string"}),
    "versions": _by_name("Version by package.", {"type": "string"}),
    "date": _text("When the audit was made, ISO 8601."),
    "hardware": _text("Device and machine of the audit."),
    "precision": _typed(["string", "integer"], "Precision of the models during the audit, as Lightning names it."),
    "audit": _any("Settings of the audit itself: views, limit of relearning, seed, images that a loss compares."),
    "processes": _count("Number of processes of the audit.", 1),
    "seeds": _by_name("Seed of the run by the model's name.", {"type": ["integer", "null"]}),
    "settings": _any(
        "Settings by the model's name: model, method, plug-ins, optimizer, schedule, warm-up, weight decay, epochs."
    ),
    "models": _by_name("Address of each model, by its name.", {"type": "string"}),
    "notes": _by_name(
        "Sentences on the weights of a model, by its name: they are not those that its run ended with, or they are "
        "those of another model.",
        {"type": "string"},
    ),
}

_BY_IMAGE = {
    "class_accuracy": _by_split(
        "Percent of the images of a class that are classified correctly, by split and by class name, or number; a "
        "class without images is absent.",
        {"type": "object", "additionalProperties": _ref("percent")},
    ),
    "roc": _ref("roc"),
    "scores": _by_split(
        "Membership score of each image by split: mean cosine similarity of its augmented views, or of image and "
        "captions where the model reads text. Higher means more likely trained on.",
        _ref("images"),
    ),
    "losses": _by_split("Training loss of each image by split.", _ref("images")),
    "probabilities": _by_split(
        "Probability of the true class of each image by split, by the model itself or by a linear probe on its "
        "features.",
        _ref("probabilities"),
    ),
    "forget_alignment": _ref(
        "images", f"Cosine similarity of two views of a forget image; of the first forget images, at most {MAX_SHOWN}."
    ),
}

_CURVE = {
    "false_positive_rate": _ref("rates", "Fraction of test images classified as members."),
    "true_positive_rate": _ref("rates", "Fraction of forget images classified as members."),
}

_RELEARNING_MEANING = (
    "Only if the audit trained the model on retain images alone: figures on the forget images before the first epoch "
    "and after each, in lists of one length; a list is empty if its figure is not defined."
)
_RELEARNING = {
    "epochs": _list("Epochs of this training so far, from 0.", {"type": "integer", "minimum": 0}),
    "accuracy": _list("Forget accuracy; an encoder's is by nearest neighbours.", _ref("percent")),
    "auc": _list("Membership AUC, forget against test images.", _FRACTION),
    "loss": _list("Mean loss of the forget images.", _NUMBER),
}


def _definitions() -> dict[str, Schema]:
    return {
        "context": _typed(
            "object",
            "Background for the reader. Every key is optional, and other keys are allowed.",
            properties=_CONTEXT,
        ),
        "audit": _audit(),
        "metrics": _closed_object("Value by metric.", {term.key: _metric(term) for term in TERMS}),
        "percent": _typed("number", "A percentage.", minimum=0, maximum=100),
        "images": _by_name("Number by image: its id, or its row in the split if ids are unknown.", _NUMBER),
        "probabilities": _by_name("The same, of probabilities.", _FRACTION),
        "roc": _closed_object(
            f"ROC curve of forget against test images by score, thinned to at most {POINTS + 1} points; empty if "
            "one of the sets is empty. A step curve: between two points it keeps the height of the first. Both lists "
            "are equally long and rise, and end at 1.",
            _CURVE,
            dependentRequired={key: [other for other in _CURVE if other != key] for key in _CURVE},
        ),
        "rates": _list("Rates between 0 and 1.", _FRACTION, minItems=1, maxItems=POINTS + 1),
        "step": _step(),
        "verdict": verdict_schema(),
        "relearning": _closed_object(_RELEARNING_MEANING, _RELEARNING, required=list(_RELEARNING)),
    }


def _audit() -> Schema:
    name = (
        "original (before unlearning), retrained (the reference, trained without the forget images), or the run's name."
    )
    always = {"name": _text(name), "metrics": _ref("metrics"), "intervals": _intervals(), **_BY_IMAGE}
    steps = "Only if images were forgotten in several runs: metrics of each step's own forget images, oldest first."
    return _closed_object(
        "Measurements on one model.",
        {
            **always,
            "verdict": _ref("verdict"),
            "steps": _list(steps, _ref("step"), minItems=2),
            "retain_relearning": _ref("relearning"),
        },
        required=list(always),
    )


def _intervals() -> Schema:
    return _typed(
        "object",
        "95 % confidence interval by the key of a metric, lower end first; for some metrics only.",
        propertyNames={"enum": [term.key for term in TERMS]},
        additionalProperties={
            "type": "array",
            "prefixItems": [_typed("number", "Lower end."), _typed("number", "Upper end.")],
            "minItems": 2,
            "maxItems": 2,
        },
    )


def _metric(term: Term) -> Schema:
    if term.unit == " %":
        return _ref("percent", term.meaning)
    return _typed("number", term.meaning) | (_FRACTION if term.share else {})


def _step() -> Schema:
    own = {
        key: _ref(f"metrics/properties/{key}", "As in metrics, over the images of this step only.")
        for key in STEP_METRICS
    }
    return _closed_object(
        "Metrics of one step's own forget images, computed as for all of them.",
        {"count": _count("Images of this step.", 0), **own},
        required=["count"],
    )


if __name__ == "__main__":
    write_json(FILE, report_schema())
