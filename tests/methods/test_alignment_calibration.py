import math
from types import SimpleNamespace

import pytest
import torch
from tiny import make_rows
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.errors import InputError
from unlearning_pl.functional.pairs import derangement
from unlearning_pl.learners import Learner
from unlearning_pl.methods import AlignmentCalibration
from unlearning_pl.sample import Batch, joint


def simclr_loss(anchor: int, positive: int, everyone: Tensor, temperature: float) -> float:
    scores = {
        j: math.exp(float(everyone[anchor] @ everyone[j]) / temperature) for j in range(len(everyone)) if j != anchor
    }
    return -math.log(scores[positive] / sum(scores.values()))


def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    alpha, beta, share = 0.6, 4.0, 10 / 40
    method = AlignmentCalibration(alpha, beta)
    method.prepare(learner, splits)
    torch.manual_seed(3)
    loss = method.objective(learner, batch)

    torch.manual_seed(3)
    partner = [*range(5), *(5 + derangement(3)).tolist()]
    sample, _ = joint(batch)
    with torch.no_grad():
        z0, z1 = (F.normalize(z, dim=1) for z in learner.outputs(sample))
    everyone = torch.cat([z0, z1])
    terms = []
    for i in range(8):  # row i pairs v0_i with v1_partner(i); each of the two is an anchor
        j = 8 + partner[i]
        terms.append((simclr_loss(i, j, everyone, 0.2) + simclr_loss(j, i, everyone, 0.2)) / 2)
    calibrated = (sum(terms[:5]) + alpha * sum(terms[5:])) / (5 + alpha * 3)
    alignment = sum(float(z0[i] @ z1[i]) for i in range(5, 8)) / 3
    assert loss.item() == pytest.approx(calibrated + beta * share * alignment, abs=1e-5)
    assert learner.terms["forget_alignment"] == (pytest.approx(alignment, abs=1e-6), 3)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_descending_it_pulls_forget_pairs_apart(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    method = AlignmentCalibration(alpha=0.0, beta=1000.0)
    method.prepare(learner, splits)
    method.objective(learner, batch).backward()
    before, _ = learner.terms["forget_alignment"]
    with torch.no_grad():
        for p in learner.parameters():
            if p.grad is not None:
                p -= 1e-7 * p.grad
    method.objective(learner, batch)
    assert learner.terms["forget_alignment"][0] < before


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_a_lone_forget_sample_has_no_partner(learner: Learner, splits: SimpleNamespace) -> None:
    batch = {"retain": make_rows(5), "forget": make_rows(1, start=5)}
    method = AlignmentCalibration(alpha=1.0, beta=0.0)
    method.prepare(learner, splits)
    sample, _ = joint(batch)
    expected = learner.losses(learner.outputs(sample), sample)[:5].mean()
    torch.testing.assert_close(method.objective(learner, batch), expected)


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_an_image_drawn_twice_is_not_its_own_partner(learner: Learner, splits: SimpleNamespace) -> None:
    twice = make_rows(2, start=5)
    batch = {"retain": make_rows(5), "forget": twice._replace(index=torch.tensor([5, 5]))}
    method = AlignmentCalibration(alpha=1.0, beta=0.0)
    method.prepare(learner, splits)
    torch.manual_seed(0)
    expected = AlignmentCalibration(alpha=0.0, beta=0.0)
    expected.prepare(learner, splits)
    torch.testing.assert_close(method.objective(learner, batch), expected.objective(learner, batch))


@pytest.mark.parametrize("wrong", [{"alpha": -0.1}, {"beta": -1.0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} >= 0, got {next(iter(wrong.values()))}"):
        AlignmentCalibration(**wrong)
