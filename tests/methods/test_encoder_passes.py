"""How many rows a step of each method embeds with gradients: no view is embedded twice."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from tiny import make_learner, make_method, make_rows, make_trainer

from unlearning_pl.learners import Learner
from unlearning_pl.methods import Unlearner
from unlearning_pl.types import Batch

ROWS = {"retain": 8, "forget": 4, "validation": 5}
# Of a learner whose loss embeds one view, and of one whose loss embeds two.
EMBEDDED = {
    "FineTune": (8, 16),
    "GradientAscent": (4, 8),
    "NegGrad": (12, 24),
    "NegGradPlus": (12, 24),
    "RandomLabel": (12, 24),
    "SalUn": (12, 24),
    "SCRUB": (8, 16),
    "BadTeacher": (12, 24),
    "ReGUn": (12, 24),
    "AlignmentCalibration": (12, 24),
    "GradientPenalty": (17, 34),
    "HeldOutCalibration": (17, 34),
    "ContrastiveUnlearning": (12 + 8, 12 + 4 + 16),  # the loss takes a pass of its own; a second view is the own pair
    "L1Sparse": (8, 16),
    "WeightDistance": (8, 16),
    "CoUn": (16, 16),
}


def install(method: str, learner: Learner, splits: SimpleNamespace) -> Unlearner:
    learner.trainer, splits.trainer = make_trainer(max_epochs=13), None
    parts = make_method(method)
    unlearner: Unlearner = parts["method"]
    unlearner.prepare(learner, splits)
    unlearner.measure(learner, {split: [make_rows(rows)] for split, rows in ROWS.items()})
    for plugin in parts.get("plugins", []):
        plugin._inner_objective, plugin.inner_streams = unlearner.objective, unlearner.streams
        plugin.prepare(learner, splits)
        unlearner = plugin
    return unlearner


def count_rows(learner: Learner, step: Callable[[], object]) -> int:
    rows = []
    hook = learner.backbone.register_forward_pre_hook(
        lambda _, inputs: rows.append(len(inputs[0]) * torch.is_grad_enabled())
    )
    step()
    hook.remove()
    return sum(rows)


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("method", EMBEDDED)
def test_a_step_embeds_each_view_once(method: str, column: int, splits: SimpleNamespace) -> None:
    learner = make_learner(("Classifier", "SimCLR")[column])
    unlearner = install(method, learner, splits)
    streams = getattr(unlearner, "inner_streams", unlearner.streams)(1)  # of SCRUB the pass over retain rows
    batch: Batch = {split: make_rows(ROWS[split], start=len(split)) for split in streams}
    assert count_rows(learner, lambda: unlearner.objective(learner, batch)) == EMBEDDED[method][column]


@pytest.mark.parametrize("name", ["MoCo", "BYOL", "CLIP"])
def test_coun_adds_the_second_view_where_the_loss_has_not_embedded_it(name: str, splits: SimpleNamespace) -> None:
    learner = make_learner(name)
    batch: Batch = {"retain": make_rows(8)}
    coun = install("CoUn", learner, splits)
    assert count_rows(learner, lambda: coun.objective(learner, batch)) == 16
