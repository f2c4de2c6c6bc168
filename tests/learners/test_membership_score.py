"""The membership score against the quantities that audits compute from the same outputs."""

import pytest
import torch
from tiny import LEARNERS, make_learner, make_rows

from unlearning_pl.learners import Learner
from unlearning_pl.learners.feature_memory import remember_features
from unlearning_pl.learners.membership_score import membership_score
from unlearning_pl.types import Sample


def by_hand(learner: Learner, sample: Sample) -> list[float]:
    if learner.knows_classes:
        scores = zip(learner.class_scores(sample.views[0]), sample.target, strict=True)
        return [torch.logit(row.softmax(0)[label]).item() for row, label in scores]
    first = learner.features(sample.views[0])
    second = learner.features(sample.views[1]) if learner.num_views == 2 else learner.embed_text(sample.text)
    first = learner.project(first) if learner.num_views == 1 else first
    return [(a @ b / (a.norm() * b.norm())).item() for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("name", LEARNERS)
@torch.no_grad()
def test_it_is_what_attacks_read(name: str) -> None:
    learner, sample = make_learner(name).eval(), make_rows(4)
    assert membership_score(learner, sample).tolist() == pytest.approx(by_hand(learner, sample), abs=1e-4)


@pytest.mark.parametrize(("name", "rows"), [("SimCLR", 8), ("BYOL", 8), ("MoCo", 8), ("Classifier", 4)])
def test_with_outputs_no_view_is_embedded_twice(name: str, rows: int) -> None:
    learner, sample, embedded = make_learner(name), make_rows(4), []
    learner.backbone.register_forward_pre_hook(lambda _, inputs: embedded.append(len(inputs[0])))
    with remember_features(learner):
        scores = membership_score(learner, sample, learner.outputs(sample))
    assert scores.requires_grad
    assert sum(embedded) == rows
