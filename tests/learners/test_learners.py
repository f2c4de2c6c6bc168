"""Each learner keeps the contract; losses are compared with the formulas in plain loops."""

import math
from functools import partial

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_rows, make_trainer
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from unlearning_pl.data.captions import tokenize
from unlearning_pl.errors import DivergedError, InputError
from unlearning_pl.learners import (
    BYOL,
    CLIP,
    Classifier,
    ContrastiveLearner,
    Learner,
    MoCo,
    MomentumEncoder,
    SimCLR,
    mean_loss,
)
from unlearning_pl.learners.backbones import BUILDERS, build_backbone
from unlearning_pl.types import Sample

B = 6


@pytest.fixture
def sample() -> Sample:
    return make_rows(B)._replace(
        target=torch.arange(B) % 10, text=tokenize([f"number {n}" for n in range(B)], 24).long()
    )


def cos(a: Tensor, b: Tensor) -> float:
    return float(F.cosine_similarity(a.detach().double(), b.detach().double(), dim=0))


def test_shapes(learner: Learner, sample: Sample) -> None:
    outputs = learner.outputs(sample)
    assert learner.features(sample.views[0]).shape == (B, learner.feature_dim)
    assert learner.losses(outputs, sample).shape == (B,)
    assert learner.alignment(outputs, sample).shape == (B,)
    assert learner.embed(sample.views[0]).shape[0] == B
    assert learner.logits(outputs).shape == (B, 10 if isinstance(learner, Classifier) else B)


def test_plain_is_the_mean_over_all_rows_fed(learner: Learner, sample: Sample) -> None:
    learner.eval()  # so that rows do not meet in BatchNorm
    halves = {
        "retain": sample.take(slice(4)),
        "forget": sample.take(slice(4, None)),
    }
    expected = learner.losses(learner.outputs(sample), sample).mean()  # CLIP: of captions as well
    torch.testing.assert_close(mean_loss(learner, halves), expected)


def test_simclr_loss_is_ntxent_of_both_anchors(sample: Sample) -> None:
    learner = SimCLR("resnet9_slim", temperature=0.3).eval()
    z0, z1 = outputs = learner.outputs(sample)
    everyone, losses = torch.cat([z0, z1]), learner.losses(outputs, sample)
    for i in range(B):
        anchors = []
        for anchor, positive in ((i, B + i), (B + i, i)):
            scores = {j: math.exp(cos(everyone[anchor], everyone[j]) / 0.3) for j in range(2 * B) if j != anchor}
            anchors.append(-math.log(scores[positive] / sum(scores.values())))
        assert abs(float(losses[i].detach()) - sum(anchors) / 2) < 1e-5


def test_moco_loss_tells_the_key_from_the_queue(sample: Sample) -> None:
    learner = MoCo("resnet9_slim", temperature=0.2, queue_size=8).eval()
    query, key = outputs = learner.outputs(sample)
    queue, losses = learner.queue.keys, learner.losses(outputs, sample)
    for i in range(B):
        scores = [math.exp(cos(query[i], key[i]) / 0.2), *(math.exp(cos(query[i], k) / 0.2) for k in queue)]
        assert abs(float(losses[i].detach()) + math.log(scores[0] / sum(scores))) < 1e-5


def test_byol_loss_predicts_each_view_from_the_other(sample: Sample) -> None:
    learner = BYOL("resnet9_slim", hidden_dim=16, projection_dim=8).eval()
    losses = learner.losses(learner.outputs(sample), sample)
    predictions = [learner.prediction_head(learner.embed(view)) for view in sample.views]
    targets = [learner.target_encoder(view) for view in sample.views]
    for i in range(B):
        expected = -(cos(predictions[0][i], targets[1][i]) + cos(predictions[1][i], targets[0][i])) / 2
        assert abs(float(losses[i].detach()) - expected) < 1e-5


def test_classifier_loss_is_cross_entropy_of_the_first_view(sample: Sample) -> None:
    learner = Classifier("resnet9_slim").eval()
    logits = learner.head(learner.features(sample.views[0]))
    expected = -logits.log_softmax(1)[torch.arange(B), sample.target]
    torch.testing.assert_close(learner.losses(learner.outputs(sample), sample), expected)


def test_clip_loss_tells_captions_and_images_from_all_others(sample: Sample) -> None:
    learner = CLIP("ViT-slim", image_size=8, temperature=0.2).eval()
    images, captions = outputs = learner.outputs(sample)
    losses = learner.losses(outputs, sample)
    for i in range(B):
        ways = []
        for one, others in ((images, captions), (captions, images)):
            scores = [math.exp(cos(one[i], other) / 0.2) for other in others]
            ways.append(-math.log(scores[i] / sum(scores)))
        assert abs(float(losses[i].detach()) - sum(ways) / 2) < 1e-4


def test_the_learned_temperature_stays_in_clips_range() -> None:
    learner = CLIP("ViT-slim", image_size=8)
    for pushed, kept in ((9.0, 0.01), (-3.0, 1.0)):
        with torch.no_grad():
            learner.logit_scale.fill_(pushed)
        learner.on_train_batch_end(None, {}, 0)
        assert float(learner.temperature.detach()) == pytest.approx(kept)


def test_scramble_breaks_every_pair(learner: Learner, sample: Sample) -> None:
    scrambled = learner.corrupt_targets(sample)
    torch.testing.assert_close(scrambled.views[0], sample.views[0], rtol=0, atol=0)
    if isinstance(learner, CLIP):
        assert (scrambled.text != sample.text).any(1).all()
        assert sorted(scrambled.text.tolist()) == sorted(sample.text.tolist())
    elif isinstance(learner, ContrastiveLearner):
        assert all(not torch.equal(a, b) for a, b in zip(scrambled.views[1], sample.views[1], strict=True))
        assert torch.equal(scrambled.views[1].flatten().sort().values, sample.views[1].flatten().sort().values)
    else:
        assert (scrambled.target != sample.target).all()
        assert scrambled.target.max() < 10


def test_a_random_label_is_drawn_from_all_others() -> None:
    target = torch.full((1000,), 3)
    sample = Sample((torch.zeros(1000, 1),), target, target)
    assert set(Classifier("resnet9_slim").corrupt_targets(sample).target.tolist()) == set(range(10)) - {3}


def test_rematch_is_the_loss_of_the_partners_positive(learner: Learner, sample: Sample) -> None:
    """Where negatives are the batch, the own pair is none of them: plain loops say so."""
    learner.eval()
    partner = torch.tensor([1, 0, 2, 4, 5, 3])
    lent = sample.take(partner)
    views = sample.views if isinstance(learner, CLIP) else (sample.views[0], lent.views[1])
    lent = lent._replace(views=(sample.views[0], views[1]), index=sample.index)
    expected = learner.losses(learner.outputs(lent), lent)
    rematched = learner.losses(*learner.swap_positives(learner.outputs(sample), sample, partner))
    if isinstance(learner, BYOL):  # the second direction predicts the partner's view 0, not one's own
        outputs, _ = learner.swap_positives(learner.outputs(sample), sample, partner)
        expected = -F.cosine_similarity(learner.outputs(sample)[0], outputs[1], dim=-1).mean(0)
    if isinstance(learner, SimCLR | CLIP):
        assert not torch.allclose(rematched, expected, rtol=1e-3)
        expected = torch.tensor(loops.losses(learner, lent._replace(partner=sample.index[partner])))
    torch.testing.assert_close(rematched, expected)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier", "CLIP"], indirect=True)
def test_other_positives_of_the_last_rows_are_those_of_a_whole_pass(learner: Learner, sample: Sample) -> None:
    learner.eval()
    other = sample._replace(views=(sample.views[0], torch.randn_like(sample.views[1])), text=sample.text.roll(1, 0))
    last = other.take(slice(4, None))
    found, own = learner.outputs_with_positives(sample, last)
    for ours, theirs in ((found, learner.outputs(sample)), (own, learner.outputs(last))):
        torch.testing.assert_close(ours, theirs)


def test_the_queue_takes_in_keys_when_a_step_ends_and_only_then(sample: Sample) -> None:
    learner = MoCo("resnet9_slim", queue_size=14)
    before = learner.queue.keys.clone()
    learner.eval().outputs(sample)  # what measures is no part of a step
    query, key = learner.train().outputs(sample)
    learner.losses((query, key), sample)
    assert torch.equal(learner.queue.keys, before)
    learner.on_train_batch_end(None, {}, 0)
    torch.testing.assert_close(learner.queue.keys, torch.cat([F.normalize(key, dim=1), before])[:14])
    for _ in range(2):
        learner.outputs(sample)
        learner.on_train_batch_end(None, {}, 0)
    torch.testing.assert_close(learner.queue.keys[12:], F.normalize(key, dim=1)[:2])  # the oldest went first
    assert "queue.keys" in learner.state_dict()


def test_the_queue_takes_in_the_keys_of_all_passes_of_a_step(sample: Sample) -> None:
    learner = MoCo("resnet9_slim", queue_size=14)
    keys = [F.normalize(learner.outputs(part)[1], dim=1) for part in (sample, sample)]
    learner.on_train_batch_end(None, {}, 0)
    torch.testing.assert_close(learner.queue.keys[:12], torch.cat(keys))


@pytest.mark.parametrize("name", ["MoCo", "BYOL"])
def test_the_momentum_encoder_is_the_average_of_the_online_one(name: str) -> None:
    learner = make_learner(name, momentum=0.75)
    slow = learner.key_encoder if name == "MoCo" else learner.target_encoder
    old = [p.clone() for p in slow.parameters()]
    with torch.no_grad():
        for p in learner.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p))
    learner.on_train_batch_start({}, 0)
    online = [*learner.backbone.parameters(), *learner.projection_head.parameters()]
    for before, now, fast in zip(old, slow.parameters(), online, strict=True):
        torch.testing.assert_close(now, 0.75 * before + 0.25 * fast)


@pytest.mark.parametrize("name", ["MoCo", "BYOL"])
def test_the_momentum_encoder_moves_once_a_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """44 rows in batches of 14, 3 in an epoch, of which two make a step; each batch takes three passes."""
    moves: list[int] = []
    learner, trainer = make_learner(name), make_trainer(max_epochs=2, accumulate_grad_batches=2, logger=False)
    monkeypatch.setattr(MomentumEncoder, "ema_update", lambda *_: moves.append(trainer.global_step))
    learner.objective = lambda module, batch: sum(mean_loss(module, batch) for _ in range(3))
    trainer.fit(learner, datamodule=make_data(batch_size=14))
    assert moves == [0, 1, 2, 3]


def test_the_checkpoint_alone_rebuilds_the_learner(learner: Learner, tmp_path: pytest.TempPathFactory) -> None:
    trainer = make_trainer(tmp_path / "run", max_epochs=1)
    trainer.fit(learner, datamodule=make_data())
    again = type(learner).load_from_checkpoint(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert dict(again.hparams) == dict(learner.hparams)
    assert all(
        torch.equal(a, b) for a, b in zip(again.state_dict().values(), learner.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1.0, 1.0, 1.0]), ("cosine", [1.0, 0.75, 0.25])],
)
def test_schedules_run_over_all_steps(schedule: str, rates: list[float]) -> None:
    learner = make_learner("Classifier")
    learner.optimize_with(partial(SGD, lr=1.0), schedule)
    trainer = make_trainer(max_epochs=1, logger=False)
    seen: list[float] = []
    learner.on_train_batch_start = lambda *_: seen.append(trainer.optimizers[0].param_groups[0]["lr"])
    data = make_data(batch_size=14)  # 44 rows: 3 steps
    trainer.fit(learner, datamodule=data)
    assert seen == pytest.approx(rates)


def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(tmp_path: pytest.TempPathFactory) -> None:
    learner, trainer = make_learner("Classifier"), make_trainer(tmp_path / "run", max_epochs=3)

    def breaks_in_the_second_epoch(module: Learner, batch: dict[str, Sample]) -> Tensor:
        return mean_loss(module, batch) * (float("nan") if module.current_epoch == 1 else 1.0)

    learner.objective = breaks_in_the_second_epoch
    with pytest.raises(DivergedError, match="in epoch 1"):
        trainer.fit(learner, datamodule=make_data())
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["epoch"] == 0
    assert all(torch.isfinite(value).all() for value in saved["state_dict"].values())


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "resnet50"])
def test_backbones_give_the_features_they_announce(name: str) -> None:
    net, dim, _ = build_backbone(name)
    assert net.eval()(torch.randn(2, 3, 32, 32)).shape == (2, dim)


def test_wrong_settings_are_told() -> None:
    with pytest.raises(InputError, match="temperature > 0, got 0"):
        SimCLR("resnet9_slim", temperature=0)
    with pytest.raises(InputError, match=r"momentum in \[0, 1\], got 1.5"):
        MoCo("resnet9_slim", momentum=1.5)
    with pytest.raises(InputError, match=r"resnet9_slim, resnet18.*got 'resnet19'"):
        BYOL("resnet19")
    with pytest.raises(InputError, match="num_classes >= 10, the classes of the data, got 3"):
        make_trainer().fit(Classifier("resnet9_slim", num_classes=3), datamodule=make_data())
