from types import SimpleNamespace

import loops
import pytest
import torch
from methods.conftest import widened
from tiny import make_learner, make_rows

from unlearning_pl.errors import InputError
from unlearning_pl.learners import CLIP, Classifier, Learner
from unlearning_pl.methods import ReGUn
from unlearning_pl.types import Batch, Sample, concat_streams


def measured(learner: Learner, held_out: list[Sample], splits: SimpleNamespace, weight: float = 0.3) -> ReGUn:
    method = ReGUn(weight)
    method.prepare(learner, splits)
    method.measure(learner, {"validation": held_out})
    return method


def perturb(learner: Learner) -> None:
    """So that the learner is no longer the original."""
    with torch.no_grad():
        for weight in learner.parameters():
            weight.add_(0.2 * torch.randn_like(weight) * weight.std(correction=0))
        if isinstance(learner, Classifier):
            learner.head.weight.mul_(30)  # confident


@torch.no_grad()
def alignments(learner: Learner, sample: Sample) -> list[float]:
    first = learner.embed(sample.views[0])
    second = learner.embed_text(sample.text) if isinstance(learner, CLIP) else learner.embed(sample.views[1])
    return [loops.cosine(a, b) for a, b in zip(loops.rows(first), loops.rows(second), strict=True)]


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops_with_labels(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    held_out = [widened(make_rows(5))._replace(target=torch.tensor([0, 0, 4, 4, 4])), widened(make_rows(1))]
    held_out[1] = held_out[1]._replace(target=torch.tensor([0]))
    batch = {**batch, "forget": batch["forget"]._replace(target=torch.tensor([4, 7, 0]))}  # nobody is of class 7
    method = measured(learner, held_out, splits)
    known: dict[int, loops.Rows] = {0: [], 4: []}
    for sample in held_out:
        for scores, y in zip(loops.logits(learner, sample), sample.target.tolist(), strict=True):
            known[y].append(loops.softmax(scores))
    perturb(learner)

    def mean_of(some: loops.Rows) -> list[float]:
        return [loops.mean([p[k] for p in some]) for k in range(10)]

    q = mean_of([mean_of(known[4]), mean_of(known[0] + known[4]), mean_of(known[0])])
    distances = [loops.kl(q, loops.softmax(scores)) for scores in loops.logits(learner, batch["forget"])]
    expected = 0.3 * loops.mean(distances) + 0.7 * loops.mean(loops.losses(learner, batch["retain"]))
    assert method.objective(learner, batch).item() == pytest.approx(expected, abs=1e-6)
    assert learner.terms["forget_divergence"] == (pytest.approx(loops.mean(distances), abs=1e-6), 3)


@pytest.mark.parametrize("learner", ["SimCLR", "CLIP"], indirect=True)
def test_equals_the_formula_in_plain_loops_without_labels(
    learner: Learner, batch: Batch, splits: SimpleNamespace
) -> None:
    held_out = [widened(make_rows(4)), widened(make_rows(2))]
    method = measured(learner, held_out, splits)
    target = loops.mean([s for sample in held_out for s in alignments(learner, sample)])
    perturb(learner)
    sample, _ = concat_streams(batch)
    distances = [(s - target) ** 2 for s in alignments(learner, batch["forget"])]
    expected = 0.3 * loops.mean(distances) + 0.7 * loops.mean(loops.losses(learner, sample)[:5])
    assert method.objective(learner, batch).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier", "CLIP"], indirect=True)
def test_it_measures_the_same_in_any_batches(learner: Learner, splits: SimpleNamespace) -> None:
    held_out = widened(make_rows(6))
    whole, parts = (
        measured(learner, samples, splits).reference
        for samples in ([held_out], [held_out.take(slice(4)), held_out.take(slice(4, None))])
    )
    torch.testing.assert_close(whole, parts)
    assert whole.shape == ((10, 10) if isinstance(learner, Classifier) else (1, 1))
    assert not whole.requires_grad


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_steps_end_at_the_held_out_output_and_not_beyond(
    learner: Learner, batch: Batch, splits: SimpleNamespace
) -> None:
    method = measured(learner, [widened(make_rows(8))], splits, weight=0.999)
    perturb(learner)
    optimizer, found = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.02), []
    for _ in range(100):
        loss = method.objective(learner, batch)
        found.append(learner.terms["forget_divergence"][0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert found[-1] < 0.05 * found[0]


def test_without_held_out_images_it_is_refused(splits: SimpleNamespace) -> None:
    splits.positions = {"validation": torch.arange(0)}.__getitem__
    with pytest.raises(InputError, match=r"held-out images for ReGUn, got none.*validation=0.1"):
        ReGUn().prepare(make_learner("SimCLR"), splits)


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.5, float("nan")])
def test_wrong_settings_are_told(weight: float) -> None:
    with pytest.raises(InputError, match=f"weight above 0 and below 1, got {weight}"):
        ReGUn(weight)
