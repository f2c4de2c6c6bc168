from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import loops
import pytest
import torch
from tiny import make_learner, make_rows
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner, SimCLR
from unlearning_pl.methods import GradientPenalty
from unlearning_pl.types import Batch, Sample, concat_streams

EVERY = ["SimCLR", "MoCo", "BYOL", "Classifier"]


def numeric_norms(score: Callable[[Tensor], float], point: Tensor, rows_at: int = 0) -> list[float]:
    """Length of the gradient by central differences, for each row of a point."""
    step, slopes = 1e-6, torch.zeros_like(point)
    for where in torch.cartesian_prod(*map(torch.arange, point.shape)).tolist():
        moved = [point.clone(), point.clone()]
        moved[0][tuple(where)] += step
        moved[1][tuple(where)] -= step
        slopes[tuple(where)] = (score(moved[0]) - score(moved[1])) / (2 * step)
    return slopes.movedim(rows_at, 0).flatten(1).norm(dim=1).tolist()


def small(batch: Batch) -> Batch:
    """Two images to forget, of 4x4 pixels: central differences take two passes a pixel."""
    views = {name: tuple(view[:, :, ::2, ::2].contiguous() for view in sample.views) for name, sample in batch.items()}
    batch = {name: sample._replace(views=views[name]) for name, sample in batch.items()}
    return {name: Sample(tuple(v[:3] for v in s.views), s.target[:3], s.index[:3]) for name, s in batch.items()}


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
@pytest.mark.parametrize("of", ["loss", "similarity"])
@pytest.mark.parametrize(("target", "power"), [(0.0, 1), (0.3, 2)])
def test_equals_the_formula_with_differences_in_the_views(
    learner: Learner, batch: Batch, of: Literal["loss", "similarity"], target: float, power: int
) -> None:
    batch = small(batch)
    sample, _ = concat_streams(batch)
    used = sample.views[: learner.num_views]

    @torch.no_grad()
    def score(forget: Tensor) -> float:
        views = tuple(torch.cat([view[:3], part]) for view, part in zip(used, forget.unbind(1), strict=True))
        outputs = learner.outputs(sample._replace(views=views))
        values = learner.losses(outputs, sample) if of == "loss" else learner.alignment(outputs, sample)
        return values[3:].sum().item()

    norms = numeric_norms(score, torch.stack([view[3:] for view in used], dim=1))
    mean = loops.mean(loops.losses(learner, sample)[:3])
    expected = mean + 0.7 * loops.mean([abs(norm - target) ** power for norm in norms])
    loss = GradientPenalty(0.7, target, power, of).objective(learner, batch)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("learner", EVERY, indirect=True)
@pytest.mark.parametrize("of", ["loss", "similarity"])
def test_equals_the_formula_with_differences_in_the_embeddings(
    learner: Learner, batch: Batch, of: Literal["loss", "similarity"]
) -> None:
    sample, _ = concat_streams(batch)
    with torch.no_grad():
        outputs = learner.outputs(sample)
    free = outputs if isinstance(outputs, Tensor) else outputs[0]
    both = isinstance(learner, SimCLR)  # elsewhere the positive has no gradient

    @torch.no_grad()
    def score(point: Tensor) -> float:
        moved = point if isinstance(outputs, Tensor) else (point[0], point[1]) if both else (point, outputs[1])
        values = learner.losses(moved, sample) if of == "loss" else learner.alignment(moved, sample)
        return values[5:].sum().item()

    point = torch.stack(outputs) if both else free
    norms = numeric_norms(score, point, rows_at=-2)[5:]
    expected = loops.mean(loops.losses(learner, sample)[:5]) + 0.7 * loops.mean(norms)
    loss = GradientPenalty(0.7, 0.0, score=of, wrt="embeddings").objective(learner, batch)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_interpolations_lie_between_forget_and_held_out_views(learner: Learner, batch: Batch) -> None:
    batch = {**batch, "validation": batch["retain"]._replace(index=torch.arange(20, 25))}
    method = GradientPenalty(0.7, 0.0, wrt="interpolations")
    assert method.streams(0) == ("retain", "forget", "validation")
    torch.manual_seed(2)
    loss = method.objective(learner, batch)
    torch.manual_seed(2)
    rows, places = torch.randint(5, (3,)), torch.rand(3, 1, 1, 1, dtype=torch.float64)
    norms = []
    for i, view in enumerate(batch["forget"].views[0]):
        point = places[i] * view + (1 - places[i]) * batch["validation"].views[0][rows[i]]
        point = point[None].requires_grad_()
        label = batch["forget"].target[i : i + 1]
        (slope,) = torch.autograd.grad(torch.nn.functional.cross_entropy(learner.class_scores(point), label), point)
        norms.append(slope.norm().item())
    expected = loops.mean(loops.losses(learner, batch["retain"])) + 0.7 * loops.mean(norms)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_the_first_stage_aims_at_the_running_mean_of_held_out_norms(learner: Learner, batch: Batch) -> None:
    method, level = GradientPenalty(0.7, target="held_out"), None
    method.prepare(learner, SimpleNamespace())
    for step in range(3):
        held_out = make_rows(4, start=20)._replace(views=(torch.randn(4, 3, 8, 8).double(),) * 2)
        norms = []
        for sample in (batch["forget"], held_out):
            view = sample.views[0].clone().requires_grad_()
            losses = learner.losses(learner.class_scores(view), sample)
            norms.append(torch.autograd.grad(losses.sum(), view)[0].flatten(1).norm(dim=1).tolist())
        level = loops.mean(norms[1]) if level is None else 0.9 * level + 0.1 * loops.mean(norms[1])
        kept = loops.mean(loops.losses(learner, batch["retain"]))
        expected = kept + 0.7 * loops.mean([abs(norm - level) for norm in norms[0]])
        loss = method.objective(learner, {**batch, "validation": held_out})
        assert loss.item() == pytest.approx(expected, abs=1e-6), step


@pytest.mark.parametrize("learner", EVERY, indirect=True)
@pytest.mark.parametrize("wrt", ["views", "embeddings"])
def test_its_gradient_equals_differences_in_the_weights(learner: Learner, batch: Batch, wrt: Any) -> None:
    method, weights = GradientPenalty(target=0.0, wrt=wrt), [p for p in learner.parameters() if p.requires_grad]
    method.objective(learner, batch).backward()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        way = [torch.randn(p.shape, generator=generator, dtype=p.dtype) * p.grad.std(correction=0) for p in weights]
        slope = sum(float((p.grad * w).sum()) for p, w in zip(weights, way, strict=True))
        found, size = [], 1e-7 / max(float(w.abs().max()) for w in way)
        for sign in (1, -1):
            with torch.no_grad():
                for p, w in zip(weights, way, strict=True):
                    p += sign * size * w
            found.append(method.objective(learner, batch).item())
            with torch.no_grad():
                for p, w in zip(weights, way, strict=True):
                    p -= sign * size * w
        assert (found[0] - found[1]) / (2 * size) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("wrt", ["views", "embeddings"])
def test_autocast_changes_its_gradient_by_no_more_than_rounding(name: str, wrt: Any) -> None:
    torch.manual_seed(0)
    learner, found = make_learner(name).eval(), []
    batch = {"retain": make_rows(16), "forget": make_rows(8, start=16)}
    for enabled in (False, True):
        learner.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            # the penalty alone, so that the training loss cannot hide a broken second derivative
            whole, training = (GradientPenalty(weight, 0.0, wrt=wrt).objective(learner, batch) for weight in (1.0, 0.0))
            loss = whole - training
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None]))
    exact, rounded = found
    assert float(torch.nn.functional.cosine_similarity(exact, rounded, dim=0)) > 0.97
    assert float(rounded.norm() / exact.norm()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_without_weight_it_is_the_retain_loss_of_the_joint_pass(learner: Learner, batch: Batch) -> None:
    sample, _ = concat_streams(batch)
    expected = learner.losses(learner.outputs(sample), sample)[:5].mean()
    torch.testing.assert_close(GradientPenalty(weight=0.0, target=0.0).objective(learner, batch), expected)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_descending_it_flattens_the_loss_around_forget_samples(learner: Learner, batch: Batch) -> None:
    method = GradientPenalty(weight=100.0, target=0.0)
    method.objective(learner, batch).backward()
    before, count = learner.terms["forget_gradient_norm"]
    with torch.no_grad():
        for p in learner.parameters():
            if p.grad is not None:
                p -= 1e-6 * p.grad
    method.objective(learner, batch)
    assert count == 3
    assert learner.terms["forget_gradient_norm"][0] < before


def test_attention_has_a_second_derivative() -> None:
    from unlearning_pl.learners import Classifier

    learner = Classifier("vit_tiny")
    batch = {"retain": make_rows(2, size=32), "forget": make_rows(2, start=2, size=32)}
    GradientPenalty(target=0.0).objective(learner, batch).backward()
    gradient = learner.backbone.encoder.layers[0].self_attention.in_proj_weight.grad
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"target": -0.1}, {"target": "other"}, {"power": 3}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        GradientPenalty(**wrong)
