from types import SimpleNamespace
from typing import Literal

import loops
import pytest
import torch
from tiny import make_learner, make_rows
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.functional.permutations import derangement
from unlearning_pl.learners import BYOL, Classifier, Learner, MoCo, mean_loss
from unlearning_pl.methods import AlignmentCalibration
from unlearning_pl.types import Batch, Sample, concat_streams


class Data(SimpleNamespace):
    """Sizes of the splits, and images by position: row i of a fixed tensor, another one for each view."""

    def __init__(self, forgotten: int = 10) -> None:
        super().__init__(images=torch.randn(3, 40, 3, 8, 8).double(), targets=torch.randint(10, (40,)), drawn=[])
        self.sizes = {"retain": torch.arange(10, 40), "forget": torch.arange(forgotten)}

    def positions(self, split: str) -> Tensor:
        return self.sizes[split]

    def samples_at(self, index: Tensor) -> Sample:
        self.drawn.append(index)
        return Sample(tuple(view[index] for view in self.images[: self.num_views]), self.targets[index], index)

    def batch(self, num_views: int) -> Batch:
        self.num_views = num_views
        rows = {"retain": torch.arange(10, 15), "forget": torch.tensor([7, 2, 5])}
        return {
            split: Sample(tuple(v[i] for v in self.images[:num_views]), self.targets[i], i) for split, i in rows.items()
        }


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
@pytest.mark.parametrize("partner", ["batch", "dataset"])
@pytest.mark.parametrize("views", [2, 3])
def test_equals_the_formula_in_plain_loops(
    learner: Learner, partner: Literal["batch", "dataset"], views: Literal[2, 3]
) -> None:
    alpha, beta, share = 0.6, 4.0, 10 / 40
    data = Data()
    method = AlignmentCalibration(alpha, beta, partner, views)
    method.prepare(learner, data)
    batch = data.batch(max(method.num_views, 1 if isinstance(learner, Classifier) else 2))
    torch.manual_seed(3)
    loss = method.objective(learner, batch)

    torch.manual_seed(3)
    forget = batch["forget"].index
    other = forget[derangement(3)] if partner == "batch" else data.drawn[0]
    lent = (data.images[0, forget], data.images[1, other])
    retained = Sample(tuple(data.images[:2, 10:15]), data.targets[10:15], torch.arange(10, 15))
    calibrated, _ = concat_streams({"retain": retained, "forget": Sample(lent, data.targets[other], forget)})
    losses = loops.losses(learner, calibrated)
    if isinstance(learner, BYOL) and partner == "batch":  # the other direction pairs v1_i with v0_j
        mirrored = Sample((data.images[1, forget], data.images[0, other]), data.targets[other], forget)
        losses[5:] = [
            (a + b) / 2 for a, b in zip(one_way(learner, calibrated)[5:], one_way(learner, mirrored), strict=True)
        ]
    mean = (sum(losses[:5]) + alpha * sum(losses[5:])) / (5 + alpha * 3)
    alignment = loops.mean(alignments(learner, data, forget, views - 1))
    assert loss.item() == pytest.approx(mean + beta * share * alignment, abs=1e-6)
    assert learner.terms["forget_alignment"] == (pytest.approx(alignment, abs=1e-6), 3)


def one_way(learner: BYOL, sample: Sample) -> list[float]:
    """The first view predicts the second."""
    with torch.no_grad():
        guesses = loops.rows(learner.prediction_head(learner.embed(sample.views[0])))
        targets = loops.rows(learner.target_encoder(sample.views[1]))
    return [-loops.cosine(guess, target) for guess, target in zip(guesses, targets, strict=True)]


def alignments(learner: Learner, data: Data, forget: Tensor, second: int) -> list[float]:
    images = data.images
    with torch.no_grad():
        if isinstance(learner, Classifier):
            scores = loops.rows(learner.class_scores(images[0, forget]))
            return [loops.softmax(s)[y] for s, y in zip(scores, data.targets[forget].tolist(), strict=True)]
        if isinstance(learner, BYOL):
            sample = Sample((images[0, forget], images[second, forget]), data.targets[forget], forget)
            return [-loss for loss in loops.losses(learner, sample)]
        key = learner.key_encoder if isinstance(learner, MoCo) else learner.embed
        pairs = zip(loops.rows(learner.embed(images[0, forget])), loops.rows(key(images[second, forget])), strict=True)
        return [loops.cosine(a, b) for a, b in pairs]


def test_a_partner_of_the_data_set_is_another_image_and_any_of_them(learner: Learner) -> None:
    data, method = Data(), AlignmentCalibration(partner="dataset")
    method.prepare(learner, data)
    batch = data.batch(2)
    for seed in range(100):
        torch.manual_seed(seed)
        method.objective(learner, batch)
    drawn = torch.stack(data.drawn)
    assert (drawn != batch["forget"].index).all()
    for column, own in zip(drawn.T, batch["forget"].index.tolist(), strict=True):
        assert set(column.tolist()) == set(range(10)) - {own}


def test_without_a_forget_sample_it_is_plain_training(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    method, none = AlignmentCalibration(), {"retain": batch["retain"]}
    splits.positions = lambda split: torch.arange(30 if split == "retain" else 0)
    method.prepare(learner, splits)
    empty = Sample(tuple(view[:0] for view in batch["forget"].views), torch.arange(0), torch.arange(0))
    for rows in (none, {**none, "forget": empty}):
        assert torch.equal(method.objective(learner, rows), mean_loss(learner, none))


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
def test_a_lone_forget_sample_has_no_partner(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    gone = batch["forget"]
    batch = {**batch, "forget": Sample(tuple(v[:1] for v in gone.views), gone.target[:1], gone.index[:1])}
    method = AlignmentCalibration(alpha=1.0, beta=0.0)
    method.prepare(learner, splits)
    sample, _ = concat_streams(batch)
    expected = learner.losses(learner.outputs(sample), sample)[:5].mean()
    torch.testing.assert_close(method.objective(learner, batch), expected)


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_an_image_drawn_twice_is_not_its_own_partner(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    gone = batch["forget"]
    twice = Sample(tuple(v[:2] for v in gone.views), gone.target[:2], torch.tensor([5, 5]))
    batch = {**batch, "forget": twice}
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


@pytest.mark.parametrize("partner", ["batch", "dataset"])
def test_an_image_lends_its_caption_to_another_forget_image(partner: Literal["batch", "dataset"]) -> None:
    learner = make_learner("CLIP").double().eval()
    learner.log = lambda *_, **__: None
    pool = make_rows(40)
    pool = pool._replace(views=tuple(view.double() for view in pool.views))
    drawn: list[Tensor] = []
    data = SimpleNamespace(
        positions=lambda split: torch.arange(10) if split == "forget" else torch.arange(10, 40),
        samples_at=lambda index: drawn.append(index) or pool.take(index)._replace(index=index),
    )
    batch: Batch = {"retain": pool.take(torch.arange(10, 15)), "forget": pool.take(torch.tensor([7, 2, 5]))}
    method = AlignmentCalibration(0.6, 4.0, partner)
    method.prepare(learner, data)
    torch.manual_seed(3)
    loss = method.objective(learner, batch)

    torch.manual_seed(3)
    other = batch["forget"].index[derangement(3)] if partner == "batch" else drawn[0]
    assert (other != batch["forget"].index).all()
    lent = batch["forget"]._replace(text=pool.text[other])
    whole, _ = concat_streams({"retain": batch["retain"], "forget": lent})
    losses = loops.losses(learner, whole)
    calibrated = (sum(losses[:5]) + 0.6 * sum(losses[5:])) / (5 + 0.6 * 3)
    images, texts = learner.outputs(batch["forget"])
    aligned = loops.mean([loops.cosine(a, b) for a, b in zip(loops.rows(images), loops.rows(texts), strict=True)])
    assert loss.item() == pytest.approx(calibrated + 4.0 * 10 / 40 * aligned, abs=1e-6)
