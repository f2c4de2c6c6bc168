"""Audits with every field filled, of models that remember as much as a test wants."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from remembering import CLASSES, remembering
from torch import Tensor

from unlearning_pl.audits import Audit, compare, compute_audit
from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.report.metric_terms import BY_KEY, TERMS
from unlearning_pl.types import Split

PAIRS = "pair_membership_auc"

CLASS_NAMES = ["cat & dog", "<i>odd</i>", "automobile", "9"]
CONTEXT: dict[str, Any] = {
    "title": "Digits",
    "dataset": "digits",
    "fingerprint": "af78ce6786b5cf20bfa7cdf9b7622e31d6edea08da21232dcaaa581ffcad1b3e",
    "request": {"classes": ["cat & dog", "<i>odd</i>"], "seed": None},
    "counts": {"retain": 60, "forget": 24, "test": 40},
    "class_names": CLASS_NAMES,
    "commands": [
        "unlearning-pl audit --model 'runs/a b' --original runs/original --retrained runs/retrained --views 10",
    ],
    "versions": {"torch": "2.13.0", "python": "3.11.7"},
    "date": "2026-11-21",
    "hardware": "2 CPU cores",
    "precision": "32-true",
    "processes": 1,
    "seeds": {"original": 0, "ac": 3},
    "settings": {
        "ac": {
            "method": {"class_path": "unlearning_pl.methods.AlignmentCalibration", "init_args": {"alpha": 1.0}},
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "fused": None}},
            "epochs": 3,
            "path": Path("runs/ac"),
            "bad": float("nan"),
        }
    },
}


def audited(memories: Mapping[str, float], sizes: tuple[int, int, int] = (60, 24, 40)) -> list[Audit]:
    """One audit a name, with all fields; ``memories`` says how much of the forget images each model remembers."""
    audits = []
    for row, (name, memory) in enumerate(memories.items()):
        embeddings = remembering(memory, sizes, logits=True)
        seconds = {"original": 40.0, "retrained": 30.0}.get(name, 2.0 + row)
        audits.append(_filled(compute_audit(name, embeddings, seconds), embeddings, memory))
    references = (name if name in memories else None for name in ("original", "retrained"))
    return compare(audits, *references)


def _filled(audit: Audit, embeddings: Mapping[Split, Embeddings], memory: float) -> Audit:
    probabilities = {split: _true_class(look) for split, look in embeddings.items()}
    losses = {split: -found.log() for split, found in probabilities.items()}
    later = ("average_gap", "forgetting_score", "speed_up")  # and no AUC of pairs: these are models of images
    rest = {term.key: 50 + 9 * memory for term in TERMS if term.key not in {*audit.metrics, *later, PAIRS}}
    rest = {key: value if BY_KEY[key].unit == " %" else value / 100 for key, value in rest.items()}
    metrics = audit.metrics | rest | {"relearning_epochs": 3.0}
    keys = ("membership_auc", "population_auc", "encoder_mi")
    return replace(
        audit,
        metrics=metrics,
        intervals={key: (0.9 * metrics[key], min(1.1 * metrics[key], 100.0 if "mi" in key else 1.0)) for key in keys},
        losses=losses,
        probabilities=probabilities,
        class_accuracy={split: _per_class(look) for split, look in embeddings.items()},
        retain_relearning=RelearningCurve((0, 1, 2), (50.0, 75.0, 100.0), (0.5, 0.6, 0.7), (2.0, 1.5, 1.0)),
        map={split: torch.cat([look.features[:, :2], look.target[:, None]], 1) for split, look in embeddings.items()},
    )


def _true_class(look: Embeddings) -> Tensor:
    assert look.logits is not None
    return look.logits.softmax(dim=1)[torch.arange(len(look.target)), look.target]


def _per_class(look: Embeddings) -> Tensor:
    assert look.logits is not None
    hits = (look.logits.argmax(dim=1) == look.target).double()
    return torch.stack([100 * hits[look.target == number].mean() for number in range(CLASSES)])
