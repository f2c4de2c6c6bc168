"""The score of an image is what its formula says, in plain loops."""

import math
from itertools import combinations

import loops
import pytest
import torch
from tiny import make_learner, make_rows

from unlearning_pl.learners import feature_memory
from unlearning_pl.learners.membership_score import membership_score
from unlearning_pl.types import Sample


@pytest.fixture
def sample() -> Sample:
    rows = make_rows(4)
    return rows._replace(views=(*rows.views, torch.randn(4, 3, 8, 8)))


@pytest.mark.parametrize("name", ["SimCLR", "MoCo", "BYOL"])
@pytest.mark.parametrize("views", [2, 3])
def test_is_the_mean_cosine_of_the_features_of_two_views(name: str, views: int, sample: Sample) -> None:
    learner = make_learner(name).eval()
    features = [loops.rows(learner.features(view)) for view in sample.views[:views]]
    wanted = [loops.mean([loops.cosine(a[row], b[row]) for a, b in combinations(features, 2)]) for row in range(4)]
    found = membership_score(learner, sample._replace(views=sample.views[:views]))
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)


def test_is_the_margin_of_a_classifier(sample: Sample) -> None:
    learner = make_learner("Classifier").eval()
    outputs = learner.outputs(sample)
    p = [loops.softmax(row)[y] for row, y in zip(loops.rows(outputs), sample.target.tolist(), strict=True)]
    wanted = [math.log(value) - math.log(1 - value) for value in p]
    assert membership_score(learner, sample).tolist() == pytest.approx(wanted, abs=1e-4)
    assert torch.equal(membership_score(learner, sample, outputs), membership_score(learner, sample))


def test_a_certain_classifier_has_a_finite_margin(sample: Sample) -> None:
    certain = torch.full((4, 10), -500.0).scatter(1, sample.target[:, None], 500.0)
    assert membership_score(make_learner("Classifier"), sample, certain).tolist() == pytest.approx(
        [1000 - math.log(9)] * 4
    )


def test_is_the_alignment_of_an_image_with_its_caption(sample: Sample) -> None:
    learner = make_learner("CLIP").eval()
    image, text = (loops.rows(part) for part in learner.outputs(sample))
    wanted = [loops.cosine(a, b) for a, b in zip(image, text, strict=True)]
    assert membership_score(learner, sample).tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("name", "rows"), [("SimCLR", 8), ("BYOL", 8), ("MoCo", 8), ("Classifier", 4)])
def test_takes_no_pass_of_views_that_the_step_has_embedded(name: str, rows: int) -> None:
    learner, pair, embedded = make_learner(name), make_rows(4), list[int]()
    learner.backbone.register_forward_pre_hook(lambda _, inputs: embedded.append(len(inputs[0])))
    with feature_memory.remember_features(learner):
        score = membership_score(learner, pair, learner.outputs(pair))
    assert sum(embedded) == rows
    score.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in learner.backbone.parameters())


def test_is_computed_in_full_precision(sample: Sample) -> None:
    outputs = torch.randn(4, 10).bfloat16()
    assert membership_score(make_learner("Classifier"), sample, outputs).dtype == torch.float32
