"""The part of the schema of ``report.json`` that describes a verdict."""

from typing import Any, get_args

from unlearning_pl.audits.verdict import REASONS, Kind


def verdict_schema() -> dict[str, Any]:
    """Build the schema of a verdict, see :class:`unlearning_pl.audits.verdict.Verdict`.

    Example:
        >>> "detectable" in verdict_schema()["required"]
        True
    """
    ends = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 3}
    difference = {
        "auc": _number("AUC of the model."),
        "reference": _number("Mean AUC of the retrained models, or 0.5."),
        "standard_error": {"type": ["number", "null"], "description": "Of the difference; null for a single image."},
    }
    properties = {
        "kind": {"enum": [*get_args(Kind)], "description": "The verdict, in this precedence."},
        "reason": {"enum": [*REASONS], "description": "Why, in one word."},
        "attack": {"type": "string", "description": "The headline attack, which tells the original best."},
        "differences": {
            "type": "object",
            "description": "AUC of the model and of the retrained ones, by attack.",
            "additionalProperties": _closed("By one attack.", difference),
        },
        "interval": {**ends, "description": "Simultaneous interval of the headline's difference."},
        "floor": {"type": ["number", "null"], "description": "Mean distance among the retrained models."},
        "level": _number("Probability of a false verdict, see docs/audits.md for what it assumes."),
        "margin": _number("Difference of the AUC that counts as equivalent."),
        "detectable": _number("AUC that the headline attack finds in 80 % of cases."),
        "needed": {
            "type": ["integer", "null"],
            "description": "Forget images that would do, and unseen ones in proportion; null where none would.",
        },
        "compared": {"type": "integer", "minimum": 0, "description": "Number of retrained models."},
        "lost": {
            "type": "object",
            "description": "Points of utility lost, with the ends of an interval, by measure.",
            "additionalProperties": ends,
        },
    }
    return _closed("Whether the model still knows the forget images, and what that rests on.", properties)


def _number(description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "description": description}


def _closed(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    required = [*properties]
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
