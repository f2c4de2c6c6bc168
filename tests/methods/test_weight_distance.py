import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import nn

from unlearning_pl.errors import InputError
from unlearning_pl.functional.weight_distance import rms_distance
from unlearning_pl.learners import Learner
from unlearning_pl.methods import FineTune, WeightDistance
from unlearning_pl.types import Batch


def moved(learner: Learner) -> WeightDistance:
    """The plug-in of weight 0.5, with the learner as it is as the original, which then moves and gets a head."""
    method = WeightDistance(weight=0.5)
    method.prepare(learner, SimpleNamespace())
    with torch.no_grad():
        for weight in learner.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
    learner.auxiliary_modules["coun_head"] = nn.Linear(3, 3).double()
    return method


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier", "CLIP"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    before = {name: weight.flatten().tolist() for name, weight in learner.named_parameters()}
    method, squares = moved(learner), []
    for name, weight in learner.named_parameters():
        if not name.startswith(("key_encoder", "target_encoder", "auxiliary")):  # no part of the trained model
            squares += [(a - b) ** 2 for a, b in zip(weight.flatten().tolist(), before[name], strict=True)]
    distance = math.sqrt(sum(squares) / len(squares) + 1e-8)
    assert method.term(learner, batch).item() == pytest.approx(-0.5 * distance, rel=1e-9)
    assert learner.terms["weight_distance"] == (pytest.approx(distance, rel=1e-9), 8)


def test_the_gradient_leads_away_and_is_zero_at_the_original(learner: Learner, batch: Batch) -> None:
    method = WeightDistance(weight=0.5)
    method.prepare(learner, SimpleNamespace())
    method.term(learner, batch).backward()
    assert all(torch.equal(weight.grad, torch.zeros_like(weight)) for weight in learner.parameters())
    count = sum(weight.numel() for weight in learner.parameters())
    method = moved(learner)
    learner.zero_grad()
    distance = -2 * method.term(learner, batch)
    (-0.5 * distance).backward()
    norm = 0.0
    for name, original in method.original.items():
        weight = learner.get_parameter(name)
        torch.testing.assert_close(weight.grad, -0.5 * (weight - original).detach() / (count * distance.item()))
        norm += float(weight.grad.norm()) ** 2
    assert math.sqrt(norm) == pytest.approx(0.5 / math.sqrt(count), rel=1e-3)


def test_weights_that_are_unfrozen_later_have_their_original_too(learner: Learner, batch: Batch) -> None:
    first, *_ = learner.parameters()
    first.requires_grad_(False)
    method = WeightDistance()
    method.prepare(learner, SimpleNamespace())
    first.requires_grad_(True)
    method.term(learner, batch)
    assert learner.terms["weight_distance"][0] == pytest.approx(1e-4, rel=1e-6)


def test_half_precision_is_summed_in_full() -> None:
    weights = [torch.full((3000,), 0.1, dtype=torch.bfloat16)]
    assert rms_distance(weights, [torch.zeros(3000)], eps=0.0).item() == pytest.approx(weights[0][0].item())


def test_a_run_ends_farther_from_the_original(originals: dict[str, Path]) -> None:
    before = torch.load(originals["SimCLR"] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    ends = []
    for weight in (0.0, 1e4):
        learner = make_learner("SimCLR")
        learner.optimize_with(partial(torch.optim.Adam, lr=1e-4))
        plugins = [WeightDistance(weight)]
        make_trainer().unlearn(learner, make_data(), str(originals["SimCLR"]), FineTune(), plugins)
        after = dict(learner.named_parameters())
        ends.append(rms_distance(after.values(), [before[name] for name in after]).item())
    assert ends[1] > 1.2 * ends[0] > 1.2e-4


def test_wrong_settings_are_told() -> None:
    with pytest.raises(InputError, match=r"weight >= 0, got -1\.0"):
        WeightDistance(-1.0)
