"""What is collected is what the models say, whoever computes it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from audits.two_collectors import found
from launching import launch
from tiny import LEARNERS, make_data, make_learner, make_rows, make_trainer

from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.audits.known_features import known_features
from unlearning_pl.audits.sample_losses import per_sample_losses
from unlearning_pl.data import ContrastiveViews, CropViews, ForgetRequest, JitterViews
from unlearning_pl.errors import InputError
from unlearning_pl.functional.contrastive_losses import nt_xent
from unlearning_pl.functional.threshold_attack import encoder_score
from unlearning_pl.learners import SimCLR, learner
from unlearning_pl.types import Sample


@pytest.mark.ddp
def test_two_processes_collect_what_one_does_also_where_sets_do_not_divide(tmp_path: Path) -> None:
    launch(Path(__file__).with_name("two_collectors.py"), str(tmp_path))
    assert torch.load(tmp_path / "1.pt", weights_only=True) == {}
    two, one = torch.load(tmp_path / "0.pt", weights_only=True), found(1)
    for name, splits in one.items():
        for split, look in splits.items():
            for column, expected in vars(look).items():
                other = two[name][split][column]
                assert (expected is None and other is None) or torch.equal(expected, other), (name, split, column)


def test_each_column_is_what_the_model_says_of_the_images_in_their_order() -> None:
    learner, data = make_learner("Classifier"), make_data()
    trainer = make_trainer(logger=False)
    forget = trainer.embed({"a": learner}, data, views=4)["a"]["forget"]
    assert forget.index.tolist() == data.positions("forget").tolist()
    images, target = data.pool.rows_at(data.positions("forget"))
    clean = data.pool.normalise(images)
    with torch.no_grad():
        logits = learner.eval().class_scores(clean)
        torch.testing.assert_close(forget.features, learner.features(clean), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(forget.logits, logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(forget.losses, F.cross_entropy(logits, target, reduction="none"), atol=1e-5, rtol=1e-4)
    assert forget.similarities.shape == (8, 6)
    first_pair = F.cosine_similarity(forget.anchor, forget.positive)  # a classifier's embedding is its features
    torch.testing.assert_close(forget.similarities[:, 0], first_pair)
    assert encoder_score(forget.similarities).max() <= 1 + 1e-6


def test_the_loss_of_a_pair_is_that_of_the_augmented_views_whose_embeddings_are_kept() -> None:
    learner = make_learner("SimCLR")
    forget = make_trainer(logger=False).embed({"a": learner}, make_data(), views=3, splits=("forget",))["a"]["forget"]
    expected = nt_xent(forget.anchor, forget.positive, learner.temperature)  # 8 images are one batch
    torch.testing.assert_close(forget.losses, expected, atol=1e-5, rtol=1e-4)
    assert forget.losses.std() > 1e-3


def test_several_models_see_the_same_pictures() -> None:
    learner, data, trainer = make_learner("SimCLR"), make_data(), make_trainer(logger=False)
    both = trainer.embed({"a": learner, "b": learner}, data, views=2, splits=("test",))
    alone = trainer.embed({"c": learner}, data, views=2, splits=("test",))["c"]["test"]
    assert set(both["a"]) == {"test"}
    for look in (both["a"]["test"], both["b"]["test"]):
        assert torch.equal(look.similarities, alone.similarities)
        assert torch.equal(look.losses, alone.losses)


def test_too_few_views_and_nothing_to_forget_are_refused() -> None:
    trainer, learners = make_trainer(logger=False), {"a": make_learner("SimCLR")}
    with pytest.raises(InputError, match="views >= 2, got 1"):
        trainer.embed(learners, make_data(), views=1)
    with pytest.raises(InputError, match="forget images to audit, got none"):
        trainer.embed(learners, make_data(forget=ForgetRequest()))


@pytest.mark.parametrize("backbone", ["resnet9_slim", "resnet18", "vgg16_bn", "vit_tiny"])
def test_a_fused_encoder_answers_alike_and_is_itself_again(backbone: str) -> None:
    learner = SimCLR(backbone).eval()
    with torch.no_grad():
        for module in learner.modules():  # statistics that do something
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        images, own = torch.rand(2, 3, 32, 32), learner.backbone
        before = learner.features(images)
        with fused_batch_norm(learner):
            torch.testing.assert_close(learner.features(images), before, atol=1e-4, rtol=1e-4)
    assert learner.backbone is own
    assert torch.equal(learner.features(images), before)


def test_the_same_learner_twice_is_itself_again() -> None:
    learner = make_learner("SimCLR")
    own = learner.backbone
    with fused_batch_norm(learner), fused_batch_norm(learner):
        pass
    assert learner.backbone is own


@pytest.mark.parametrize("name", LEARNERS)
def test_a_loss_computed_in_parts_is_that_of_the_whole_and_depends_on_the_batch_where_the_learner_says_so(
    name: str,
) -> None:
    learner, sample = make_learner(name).eval(), make_rows(9)
    clean = sample._replace(views=(sample.views[0], *sample.views), text=sample.text[:, None])
    with torch.no_grad():
        known = [learner.features(view) for view in clean.views]
        losses, again = (per_sample_losses(learner, clean, features) for features in (known, ()))
        whole = learner.losses(learner.outputs(sample), sample)
        few = learner.losses(learner.outputs(sample.take(slice(4))), sample.take(slice(4)))
    torch.testing.assert_close(losses, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again, whole, atol=1e-5, rtol=1e-5)
    assert torch.allclose(few, whole[:4], atol=1e-5) is not learner.compares_rows


def test_outputs_of_another_form_are_computed_at_once() -> None:
    class Pairs(SimCLR):
        independent_rows = False

        def outputs(self, sample: Sample) -> dict[str, Any]:
            return {"pair": super().outputs(sample), "rows": len(sample.index)}

        def losses(self, outputs: dict[str, Any], sample: Sample) -> torch.Tensor:
            assert outputs["rows"] == len(sample.index)
            return super().losses(outputs["pair"], sample)

    sample = make_rows(5)
    clean = sample._replace(views=(sample.views[0], *sample.views), text=sample.text[:, None])
    assert per_sample_losses(Pairs("resnet9_slim").eval(), clean).shape == (5,)


def test_a_test_says_which_batch_its_loss_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(learner, "rank_zero_info", said.append)
    for name in ("Classifier", "SimCLR"):
        make_trainer(logger=False).test(make_learner(name), datamodule=make_data(eval_batch_size=7), verbose=False)
    assert said == ["test/loss compares the images of a batch, at most 7 (data.eval_batch_size)."]


@pytest.mark.parametrize("views", [ContrastiveViews(), JitterViews(), CropViews()])
def test_half_precision_is_the_models_and_not_the_views(views: Any) -> None:
    found = []
    for precision in ("32-true", "bf16-mixed"):
        seen: list[torch.Tensor] = []

        class Sees(SimCLR):
            def features(self, x: torch.Tensor, seen: list[torch.Tensor] = seen) -> torch.Tensor:
                seen.append(x)
                return super().features(x)

        torch.manual_seed(0)
        trainer = make_trainer(logger=False, precision=precision)
        trainer.embed({"a": Sees("resnet9_slim")}, make_data(views=views), views=2, splits=("forget",))
        found.append(torch.stack(seen[:1] + seen[-2:]))
    assert torch.equal(*found)


@pytest.mark.parametrize(("name", "targets"), [(name, {"MoCo": 1, "BYOL": 2}.get(name, 0)) for name in LEARNERS])
@pytest.mark.parametrize("size", [8, 5])
def test_a_view_takes_one_pass_for_all_metrics(name: str, targets: int, size: int) -> None:
    """Also in a batch whose rows do not divide by the views of the loss; the encoder of the targets takes its own."""
    learner, passed = make_learner(name), {"own": 0, "targets": 0}

    class Counts(type(learner)):  # type: ignore[misc]
        def features(self, x: torch.Tensor) -> torch.Tensor:
            passed["own"] += len(x)
            return super().features(x)

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        passed["targets"] += len(inputs[0])

    learner.__class__ = Counts
    encoder = getattr(learner, "key_encoder", getattr(learner, "target_encoder", torch.nn.Identity()))
    encoder.register_forward_pre_hook(count)
    trainer, data = make_trainer(logger=False), make_data(eval_batch_size=size)
    trainer.embed({"a": learner, "b": learner}, data, views=4, splits=("forget",))
    assert passed == {"own": 2 * 8 * (1 + 4), "targets": 2 * 8 * targets}


def test_only_pixels_that_were_embedded_have_known_features() -> None:
    learner, views = make_learner("SimCLR").eval(), torch.rand(2, 3, 3, 16, 16)
    swapped, changed = torch.cat([views[1], views[0]]), torch.cat([views[0], views[1] + 1e-6])
    with torch.no_grad(), known_features(learner, views, [learner.features(view) + 1 for view in views]):
        inside = [learner.features(images) for images in (swapped, changed, views[0, :2])]
    expected = [learner.features(images) for images in (swapped, changed, views[0, :2])]
    for features, computed, known in zip(inside, expected, (1, 0, 0), strict=True):
        torch.testing.assert_close(features, computed + known)
