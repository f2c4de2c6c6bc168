from types import SimpleNamespace
from typing import Any, Literal

import loops
import pytest
import torch
from tiny import make_learner, make_rows
from torch import Tensor

from unlearning_pl.data.captions import Captions
from unlearning_pl.errors import InputError
from unlearning_pl.functional.permutations import derangement
from unlearning_pl.learners import BYOL, Classifier, Learner, MoCo, SimCLR, mean_loss
from unlearning_pl.methods import AlignmentCalibration
from unlearning_pl.types import Batch, Sample, concat_streams


class Data(SimpleNamespace):
    """Sizes of the splits, and images by position: row i of a fixed tensor, another one for each view."""

    def __init__(self, forgotten: int = 10) -> None:
        super().__init__(images=torch.randn(3, 40, 3, 8, 8).double(), targets=torch.arange(40) % 10, drawn=[])
        self.sizes = {"retain": torch.arange(10, 40), "forget": torch.arange(forgotten)}

    def positions(self, split: str) -> Tensor:
        return self.sizes[split]

    def load(self) -> tuple[SimpleNamespace, None]:
        return SimpleNamespace(targets=self.targets), None

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
    order = derangement(3)
    other = forget[order] if partner == "batch" else data.drawn[0]
    lent = (data.images[0, forget], data.images[1, other])
    retained = Sample(tuple(data.images[:2, 10:15]), data.targets[10:15], torch.arange(10, 15))
    calibrated, _ = concat_streams({"retain": retained, "forget": Sample(lent, data.targets[other], forget)})
    calibrated = calibrated._replace(partner=torch.cat([torch.arange(10, 15), other]))
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
    splits.positions = {"retain": torch.arange(30), "forget": torch.arange(0)}.__getitem__
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


@pytest.mark.parametrize("wrong", [{"alpha": -0.1}, {"beta": -1.0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} >= 0, got {next(iter(wrong.values()))}"):
        AlignmentCalibration(**wrong)


@pytest.mark.parametrize("partner", ["batch", "dataset"])
def test_an_image_lends_its_caption_to_another_forget_image(partner: Literal["batch", "dataset"]) -> None:
    learner, data = make_learner("CLIP").double().eval(), Captioned()
    batch = data.batch(torch.tensor([7, 2, 5]))
    method = AlignmentCalibration(0.6, 4.0, partner)
    method.prepare(learner, data)
    torch.manual_seed(3)
    loss = method.objective(learner, batch)

    torch.manual_seed(3)
    order = derangement(3)
    other = batch["forget"].index[order] if partner == "batch" else data.drawn[0]
    assert (other != batch["forget"].index).all()
    lent = batch["forget"]._replace(text=data.rows.text[other])
    whole, _ = concat_streams({"retain": batch["retain"], "forget": lent})
    losses = loops.losses(learner, whole._replace(partner=torch.cat([torch.arange(10, 15), other])))
    calibrated = (sum(losses[:5]) + 0.6 * sum(losses[5:])) / (5 + 0.6 * 3)
    images, texts = learner.outputs(batch["forget"])
    aligned = loops.mean([loops.cosine(a, b) for a, b in zip(loops.rows(images), loops.rows(texts), strict=True)])
    assert loss.item() == pytest.approx(calibrated + 4.0 * 10 / 40 * aligned, abs=1e-6)


class Captioned(SimpleNamespace):
    """Forty images with a caption each: ten to forget, then thirty to retain."""

    def __init__(self, captions: list[str] | None = None) -> None:
        texts = Captions([(text,) for text in captions or [f"number {n}" for n in range(40)]], 24)
        rows = make_rows(40)._replace(text=texts.first(torch.arange(40)))
        super().__init__(rows=rows._replace(views=tuple(view.double() for view in rows.views)), drawn=[])
        self.pool = SimpleNamespace(text=lambda length: texts)
        self.positions = {"forget": torch.arange(10), "retain": torch.arange(10, 40)}.__getitem__

    def samples_at(self, index: Tensor) -> Sample:
        self.drawn.append(index)
        return self.rows.take(index)

    def batch(self, forget: Tensor) -> Batch:
        return {"retain": self.rows.take(torch.arange(10, 15)), "forget": self.rows.take(forget)}


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
@pytest.mark.parametrize(("partner", "views"), [("batch", 3), ("dataset", 2), ("dataset", 3)])
def test_a_third_view_takes_a_pass_of_the_forget_rows_and_no_more(
    learner: Learner, partner: Literal["batch", "dataset"], views: Literal[2, 3], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each view of a row is embedded once by the online network, or by the momentum encoder; a label takes no pass."""
    data, method = Data(), AlignmentCalibration(1.0, 4.0, partner, views)
    method.prepare(learner, data)
    batch = data.batch(max(method.num_views, learner.num_views))
    rows: list[Tensor] = []
    encoder = learner.backbone.forward
    monkeypatch.setattr(learner.backbone, "forward", lambda x: rows.append(x) or encoder(x))
    keys: list[Tensor] = []
    if isinstance(learner, MoCo):
        key_encoder = learner.key_encoder.forward
        monkeypatch.setattr(learner.key_encoder, "forward", lambda x: keys.append(x) or key_encoder(x))
        learner.train()
    method.objective(learner, batch)
    embedded = torch.cat([*rows, *keys])
    assert len(rows) == 1  # batch statistics are joint
    assert len(embedded) == (8 if isinstance(learner, Classifier) else 8 + 8 + 3)
    retained, first = batch["retain"], torch.cat([batch["retain"].views[0], batch["forget"].views[0]])
    assert all(int((embedded == image).flatten(1).all(1).sum()) == 1 for image in first)
    if isinstance(learner, MoCo):  # it takes in a key of each row, whatever else it has compared
        ((taken, _),) = learner._keys
        assert len(taken) == 8
        assert torch.equal(keys[0][:5], retained.views[1])


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("name", ["SimCLR", "MoCo", "CLIP"])
def test_a_module_without_a_joint_pass_has_the_same_loss(name: str, views: Literal[2, 3]) -> None:
    """In evaluation mode, where rows do not depend on one another; it embeds all rows twice."""
    learner, losses = make_learner(name).double().eval(), []
    data = Data() if name != "CLIP" else Captioned()
    for embeds in (True, False):
        if not embeds:
            learner.outputs_with_positives = None
        method = AlignmentCalibration(0.6, 4.0, "dataset", views)
        method.prepare(learner, data)
        batch = data.batch(torch.tensor([7, 2, 5])) if name == "CLIP" else data.batch(3)
        torch.manual_seed(3)
        losses.append(method.objective(learner, batch))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=1e-12)


class OverriddenOutputs(SimCLR):
    def outputs(self, sample: Sample) -> tuple[Tensor, Tensor]:
        anchor, positive = super().outputs(sample)
        return anchor[:, :3], positive[:, :3]


class OverriddenPass(OverriddenOutputs):
    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Any, Any]:
        both, own = super().outputs_with_positives(sample, others)
        return tuple(z[:, :3] for z in both), tuple(z[:, :3] for z in own)


@pytest.mark.parametrize(("partner", "views"), [("batch", 3), ("dataset", 2), ("dataset", 3)])
def test_the_joint_pass_of_a_parent_bypasses_no_overridden_outputs(
    partner: Literal["batch", "dataset"], views: Literal[2, 3]
) -> None:
    """Two subclasses with the same outputs, of which one has the joint pass to them, have the same loss."""
    learner, losses, data = make_learner("SimCLR").double().eval(), {}, Data()
    method = AlignmentCalibration(0.6, 4.0, partner, views)
    for kind in (SimCLR, OverriddenOutputs, OverriddenPass):
        learner.__class__ = kind
        method.prepare(learner, data)
        torch.manual_seed(3)
        losses[kind] = method.objective(learner, data.batch(3)).item()
    assert losses[OverriddenOutputs] == pytest.approx(losses[OverriddenPass], abs=1e-12)
    assert losses[OverriddenOutputs] != pytest.approx(losses[SimCLR], abs=1e-3)


def test_a_module_with_the_former_hook_is_warned_of() -> None:
    learner, method = make_learner("SimCLR"), AlignmentCalibration()
    method.prepare(learner, Data())  # warnings are errors: a learner of this package has none
    learner.__class__ = type("Former", (SimCLR,), {"replace_positives": lambda self, outputs, sample: outputs})
    with pytest.warns(UserWarning, match=r"Former defines replace_positives.* outputs_with_positives") as caught:
        method.prepare(learner, Data())
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["SimCLR", "CLIP"])
def test_a_lender_in_the_batch_is_no_negative_of_its_own_image(name: str) -> None:
    """Unit vectors with an axis for each view: moving one along its own pair's axis changes that cosine only."""
    learner = make_learner(name).double().eval()
    data = Data(3) if name == "SimCLR" else Captioned()
    batch = data.batch(2) if name == "SimCLR" else data.batch(torch.arange(3))
    batch = {**batch, "forget": batch["forget"]._replace(index=torch.arange(3))}
    cosine, axes = torch.zeros((), dtype=torch.float64, requires_grad=True), torch.eye(80, dtype=torch.float64)

    def outputs(sample: Sample) -> tuple[Tensor, Tensor]:
        first = axes[sample.index]
        moved = cosine * axes[40] + (1 - cosine**2).sqrt() * axes[0]
        return torch.where(sample.index[:, None] == 0, moved, first), axes[40 + sample.partner]

    learner.outputs = outputs
    learner.outputs_with_positives = lambda sample, others: (outputs(sample), (axes[:3], axes[:3]))
    method, lends = AlignmentCalibration(beta=0.0, partner="dataset"), 0
    method.prepare(learner, data)
    for seed in range(60):
        torch.manual_seed(seed)
        (gradient,) = torch.autograd.grad(method.objective(learner, batch), cosine)
        assert gradient == 0.0
        lends += int((data.drawn[-1] == 0).any())
    assert lends > 3
