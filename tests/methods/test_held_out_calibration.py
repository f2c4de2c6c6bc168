"""Held-out calibration against its formula with plain loops, NumPy and scipy, and by what its aim is."""

from types import SimpleNamespace

import loops
import numpy as np
import pytest
import scipy.stats
import torch
from methods.conftest import widened
from tiny import LEARNERS, make_rows
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.learners.membership_score import membership_score
from unlearning_pl.methods import HeldOutCalibration
from unlearning_pl.types import Batch, concat_streams

EVERY = [name for name in LEARNERS if name != "CLIP"]  # its towers read float32


def data_of(targets: Tensor, held_out: int = 4) -> SimpleNamespace:
    """Splits whose first ten images are to be forgotten, and the last ones held out."""
    retained = len(targets) - held_out
    places = {"retain": torch.arange(10, retained), "forget": torch.arange(10)}
    places["validation"] = torch.arange(retained, len(targets))
    return SimpleNamespace(positions=places.__getitem__, load=lambda: (SimpleNamespace(targets=targets), 0))


def prepared(learner: Learner, **options: float) -> HeldOutCalibration:
    method = HeldOutCalibration(**options)
    method.prepare(learner, data_of(torch.arange(40) % 10))
    method.scale = 0.4
    return method


def three_streams(seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    starts = {"retain": (5, 0), "forget": (3, 5), "validation": (4, 8)}
    return {name: widened(make_rows(*place)) for name, place in starts.items()}


def scores_of(learner: Learner, batch: Batch) -> list[list[float]]:
    sample, _ = concat_streams(batch)
    with torch.no_grad():
        return [part.tolist() for part in torch.split(membership_score(learner, sample), [5, 3, 4])]


def huber(x: float) -> float:
    return x * x if abs(x) < 0.5 else abs(x) - 0.25  # beta 1/2: x^2 / (2 beta), then |x| - beta / 2


class Pool:
    """Scores of the last steps, as deviations from a level that follows each step's mean by 0.3."""

    def __init__(self) -> None:
        self.level, self.deviations = None, []

    def add(self, scores: list[float]) -> np.ndarray:
        mean = sum(scores) / len(scores)
        self.level = mean if self.level is None else 0.7 * self.level + 0.3 * mean
        self.deviations += [score - self.level for score in scores]
        return np.array([self.level + deviation for deviation in self.deviations])


def gradient_norm(learner: Learner, loss: Tensor, keep: bool = False) -> float:
    learner.zero_grad()
    loss.backward(retain_graph=keep)
    squares = [p.grad.square().sum().item() for p in learner.parameters() if p.grad is not None]
    return float(np.sqrt(sum(squares)))


@pytest.mark.parametrize("limit", [1e-3, 1e6])
@pytest.mark.parametrize("learner", EVERY, indirect=True)
def test_equals_its_formula_over_several_steps(learner: Learner, limit: float) -> None:
    method, members, unseen = prepared(learner, weight=0.7, limit=limit), Pool(), Pool()
    for step in range(3):
        batch = three_streams(step)
        sample, _ = concat_streams(batch)
        _, forget, held_out = scores_of(learner, batch)
        own, others = members.add(forget), unseen.add(held_out)
        ranks = scipy.stats.percentileofscore(own, forget, kind="mean") / 100
        aims = np.quantile(others, ranks, method="hazen")
        distance = loops.mean([huber((s - aim) / 0.4) for s, aim in zip(forget, aims, strict=True)])
        kept = loops.mean(loops.losses(learner, sample)[:5])
        scores = membership_score(learner, sample)[5:8]
        pull = torch.nn.functional.huber_loss(scores / 0.4, torch.tensor(aims) / 0.4, delta=0.5) / 0.5
        training = learner.losses(learner.outputs(sample), sample)[:5].mean()
        norms = gradient_norm(learner, training), gradient_norm(learner, pull)
        weight = min(0.7, limit * norms[0] / norms[1])
        assert weight == 0.7 if limit > 1 else weight < 0.7
        loss = method.objective(learner, batch)
        assert loss.item() == pytest.approx(kept + weight * distance, abs=1e-6), step


@pytest.mark.parametrize("learner", EVERY, indirect=True)
def test_the_pull_is_as_strong_as_its_limit(learner: Learner) -> None:
    """Whatever its weight: the gradient that it adds has the norm of that of training, times the limit."""
    gradients = {}
    for weight in (0.0, 1e3, 1e6):
        learner.zero_grad()
        prepared(learner, weight=weight, limit=1.5).objective(learner, three_streams()).backward()
        every = [p.grad.flatten() for p in learner.parameters() if p.grad is not None]
        gradients[weight] = torch.cat(every)
    pull = gradients[1e3] - gradients[0.0]
    assert pull.norm().item() == pytest.approx(1.5 * gradients[0.0].norm().item(), rel=1e-6)
    torch.testing.assert_close(gradients[1e6], gradients[1e3], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("precision", ["none", "bfloat16", "float16"])
@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_the_gradient_is_that_of_the_terms_and_of_a_pass_of_its_own_in_float16(
    learner: Learner, precision: str
) -> None:
    method, twin = prepared(learner, limit=1.5), prepared(learner, limit=1.5)
    dtype = getattr(torch, precision, torch.float32)
    learner.float().eval()
    parts = three_streams().items()
    batch = {name: part._replace(views=tuple(view.float() for view in part.views)) for name, part in parts}
    with torch.autocast("cpu", dtype, enabled=precision != "none"):
        loss, distance = twin._terms(learner, batch)
        total = method.objective(learner, batch)
    training, pull = (gradient_norm(learner, term * 1024, keep=True) for term in (loss, distance))
    learner.zero_grad()
    (1024 * (loss + min(4.0, 1.5 * training / pull) * distance)).backward()
    expected = [p.grad.clone() for p in learner.parameters() if p.grad is not None]
    learner.zero_grad()
    (1024 * total).backward()
    found = [p.grad for p in learner.parameters() if p.grad is not None]
    assert (total.grad_fn.name() == "_KnownGradientsBackward") == (precision != "float16")
    scale = max(one.abs().max().item() for one in expected)
    tolerance = 1e-5 if precision == "none" else 0.02
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * scale)


def test_the_pull_fades_only_below_its_limit_and_is_left_out_after_an_overflow() -> None:
    method = HeldOutCalibration(weight=4.0, limit=2.0)
    norms = torch.tensor([[3.0, 8.0], [3.0, 1.0], [3.0, 0.0], [float("inf"), 1.0], [1.0, float("nan")]])
    assert [float(method._weight(row)) for row in norms] == [0.75, 4.0, 4.0, 0.0, 0.0]


@pytest.mark.parametrize("learner", ["SimCLR"], indirect=True)
def test_nothing_is_moved_once_forget_and_held_out_scores_are_equal(learner: Learner) -> None:
    batch = three_streams()
    batch["forget"] = batch["validation"]  # one and the same distribution
    loss, plain = (prepared(learner, weight=w).objective(learner, batch) for w in (50.0, 0.0))
    assert loss.item() == pytest.approx(plain.item(), abs=1e-9)


def gradient_of(learner: Learner, forget: Tensor, held_out: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Gradient of the distance with respect to the scores of forget rows, where all scores are given."""
    scores = forget.clone().requires_grad_()
    rows = [5, len(forget), len(held_out)]
    module = "unlearning_pl.methods.held_out_calibration.membership_score"
    monkeypatch.setattr(module, lambda *_: torch.cat([torch.zeros(5), scores, held_out]).double())
    parts = zip(("retain", "forget", "validation"), rows, strict=True)
    batch = {name: widened(make_rows(n)) for name, n in parts}
    (gradient,) = torch.autograd.grad(prepared(learner)._terms(learner, batch)[1], scores)
    return gradient


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_scores_are_lowered_or_raised_towards_the_held_out_ones(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = torch.tensor([-3.0, -2.0, -1.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert (gradient_of(learner, low, high, monkeypatch) < 0).all()
    assert (gradient_of(learner, high, low, monkeypatch) > 0).all()
    gentle = gradient_of(learner, high, high + 0.02, monkeypatch)  # near its aim the pull fades
    assert gentle.abs().max() < 0.2 * gradient_of(learner, high, low, monkeypatch).abs().max()


@pytest.mark.parametrize("learner", ["MoCo", "BYOL", "Classifier"], indirect=True)  # SimCLR: negatives of retain rows
def test_held_out_rows_have_no_gradient_of_their_own(learner: Learner) -> None:
    batch, method = three_streams(), prepared(learner)
    images = batch["validation"].views[0].requires_grad_()
    loss, distance = method._terms(learner, batch)
    (gradient,) = torch.autograd.grad(loss + distance, images, allow_unused=True)
    assert gradient is None or gradient.abs().max() == 0


def test_whole_steps_are_remembered() -> None:
    method = HeldOutCalibration(memory_size=8)
    known = None
    for step in range(4):
        known = method._remember(known, torch.full((3,), float(step)))
    assert known is not None
    assert len(known[1]) == 6


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_the_unit_is_the_deviation_of_the_original_on_held_out_images(learner: Learner) -> None:
    method, batches = HeldOutCalibration(), [widened(make_rows(n, start=n)) for n in (4, 3)]
    method.measure(learner, {"validation": batches})
    scores = torch.cat([membership_score(learner, sample) for sample in batches])
    assert method.scale == pytest.approx(np.std(scores.detach().numpy()), rel=1e-9)


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_a_run_without_held_out_images_is_told(learner: Learner) -> None:
    with pytest.raises(InputError, match=r"got none\. Train the original with .*validation.*0\.1"):
        HeldOutCalibration().prepare(learner, data_of(torch.arange(40) % 10, held_out=0))


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_held_out_images_that_score_alike_are_told(learner: Learner) -> None:
    with pytest.raises(InputError, match=r"got a deviation of 0\.0\. Hold out more images"):
        HeldOutCalibration().measure(learner, {"validation": [widened(make_rows(1))]})


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_a_request_for_whole_classes_is_told(learner: Learner) -> None:
    with pytest.warns(UserWarning, match="without whole classes"):
        HeldOutCalibration().prepare(learner, data_of(torch.arange(40) // 10))


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"weight": float("inf")}, {"limit": 0.0}, {"memory_size": 1}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        HeldOutCalibration(**wrong)
