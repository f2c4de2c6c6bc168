"""Audits of image-text models: what is collected of pairs, and what is said of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.audits import Embeddings, compare, compute_audit
from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.image_text import pair_membership, pair_scores, retrieval, zero_shot
from unlearning_pl.data import ForgetRequest, ImageSet, Source, UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.report import step_table
from unlearning_pl.types import Pixels, Sample, Split

SIZES: dict[Split, int] = {"retain": 40, "forget": 15, "test": 30}


class Captioned(Source):
    """Noise with one to three captions each, and no classes."""

    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)

        def part(name: str, n: int) -> ImageSet:
            images = torch.randint(256, (n, 3, 8, 8), generator=generator, dtype=torch.uint8)
            captions = [
                tuple(f"{name} {row} {word}" for word in ("red", "big", "old")[: 1 + row % 3]) for row in range(n)
            ]
            return ImageSet(images, torch.zeros(n).long(), [f"{name}/{row}" for row in range(n)], [], captions)

        return part("train", 24), part("test", 12)


def pairs(noise: float, known: tuple[Split, ...] = ("retain", "forget")) -> dict[Split, Embeddings]:
    """Embeddings in which captions of known splits are nearer to their images than others."""
    made, start = {}, 0
    for split, n in SIZES.items():
        features = torch.randn(n, 8)
        captions = features[:, None] + (noise if split in known else 4.0) * torch.randn(n, 2, 8)
        index, views = torch.arange(start, start + n), torch.rand(n, 3)
        target = torch.full((n,), -1)
        positive, text = captions[:, 0], index[:, None].expand(n, 4)
        made[split] = Embeddings(index, target, features, views, features, positive, captions=captions, text=text)
        start += n
    return made


def test_what_a_model_says_of_captions_and_classes_is_collected() -> None:
    learner, data = make_learner("CLIP"), make_data()
    found = make_trainer(logger=False).embed({"a": learner}, data, views=2, splits=("forget",))["a"]["forget"]
    learner.eval()
    images = data.pool.normalise(data.pool.rows_at(found.index)[0])
    tokens = data.pool.text(24).all(found.index)
    with torch.no_grad():
        anchor = learner.embed(images)
        captions = torch.stack([learner.embed_text(tokens[:, caption]) for caption in range(2)], dim=1)
        prompts = [learner.embed_text(texts) for texts in data.prompts(24)]
        losses = learner.losses((anchor, captions[:, 0]), Sample((), found.target, found.index))
    torch.testing.assert_close(found.anchor, anchor, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.positive, captions[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.captions, captions, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.losses, losses, atol=1e-5, rtol=1e-4)  # 8 images are one batch
    assert torch.equal(found.text, tokens[:, 0])
    classes = torch.stack([F.normalize(texts, dim=1).mean(0) for texts in prompts])
    expected = F.cosine_similarity(anchor[:, None], classes[None], dim=2)
    torch.testing.assert_close(found.zero_shot, expected, atol=1e-5, rtol=1e-4)


def test_images_without_classes_are_audited_by_their_captions_alone() -> None:
    data = UnlearningData(Captioned(), forget=ForgetRequest(count=6), batch_size=8)
    embeddings = make_trainer(logger=False).embed({"a": make_learner("CLIP")}, data, views=2)["a"]
    there = embeddings["test"].captions.isfinite().all(2)
    assert there.sum(1).tolist() == [1, 2, 3] * 4
    found = compute_audit("a", embeddings).metrics
    assert {
        "test_recall",
        "forget_recall",
        "retain_recall",
        "pair_mi",
        "forget_alignment",
        "forget_loss",
    } <= found.keys()
    assert not {"test_accuracy", "test_knn", "classifier_mi", "test_zero_shot"} & found.keys()
    assert all(value == value for value in found.values())


def test_learners_with_and_without_text_are_audited_together_as_alone() -> None:
    data, learners = make_data(), {name: make_learner(name) for name in ("CLIP", "SimCLR")}
    trainer = make_trainer(logger=False)
    both = trainer.embed(learners, data, views=2, splits=("forget",))
    for name, learner in learners.items():
        alone = trainer.embed({name: learner}, data, views=2, splits=("forget",))[name]["forget"]
        for column, value in vars(both[name]["forget"]).items():
            expected = getattr(alone, column)
            assert (value is None and expected is None) or torch.equal(value, expected), (name, column)
    assert both["CLIP"]["forget"].zero_shot is not None
    assert both["SimCLR"]["forget"].zero_shot is None


def test_learners_that_want_images_or_captions_otherwise_are_refused_together() -> None:
    plain, other, longer = (make_learner("CLIP") for _ in range(3))
    other.pixels, longer.context_length = Pixels((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), 77
    trainer, data = make_trainer(logger=False), make_data()
    with pytest.raises(InputError, match="models with one normalisation of images, got None and Pixels"):
        trainer.embed({"a": plain, "b": other}, data, views=2)
    with pytest.raises(InputError, match="models with one length of captions in tokens, got 24 and 77"):
        trainer.embed({"a": plain, "b": longer}, data, views=2)


def test_known_pairs_are_found_and_told_apart() -> None:
    knows, forgot = pairs(0.3), pairs(0.3, known=("retain",))
    assert retrieval(knows)["forget_recall"] > 90 > 60 > retrieval(forgot)["forget_recall"]
    assert retrieval(knows)["test_recall"] < 60
    scores = compute_audit("a", knows).scores
    assert all(torch.equal(scores[split], pair_scores(knows)[split]) for split in SIZES)
    both = [pair_membership(one)[0] for one in (knows, forgot)]
    assert both[0]["pair_membership_auc"] > 0.95 > 0.7 > both[1]["pair_membership_auc"] > 0.3
    assert both[0]["pair_mi"] < 10 < 80 < both[1]["pair_mi"]
    assert both[0]["pair_membership_auc_retain"] > 0.95
    intervals = pair_membership(forgot)[1]
    low, high = intervals["pair_membership_auc"]
    assert low < both[1]["pair_membership_auc"] < high


def test_the_score_of_a_pair_is_the_mean_over_its_captions() -> None:
    look = pairs(1.0)["test"]
    look.captions[3, 1] = torch.nan
    scores = pair_scores({"test": look})["test"]
    for row, count in ((0, 2), (3, 1)):
        each = [F.cosine_similarity(look.features[row], look.captions[row, one], dim=0) for one in range(count)]
        assert float(scores[row]) == pytest.approx(float(sum(each)) / count, abs=1e-6)


def test_captions_that_images_share_tell_no_pair_apart() -> None:
    made = pairs(0.3)
    test = made["test"]
    made["test"] = replace(test, text=test.text // 4)
    assert retrieval(made) == {}


def test_a_model_that_says_the_same_of_all_captions_finds_no_pair_and_is_not_passed_over() -> None:
    made = pairs(0.3)
    for look in made.values():
        look.captions[:] = 1.0
    assert retrieval(made)["test_text_to_image_1"] < 10
    assert retrieval(made)["forget_image_to_text_10"] == 0


def test_zero_shot_is_the_share_of_images_nearest_to_their_class(
    make: Callable[..., dict[Split, Embeddings]],
) -> None:
    look = make()["test"]
    scores = F.one_hot(look.target, int(look.target.max()) + 1).float()
    wrong = torch.arange(len(scores)) % 4 == 0
    scores[wrong] = scores[wrong].roll(1, dims=1)
    found = Embeddings(**{**vars(look), "zero_shot": scores})
    assert zero_shot({"test": found})["test_zero_shot"] == pytest.approx(100 * float((~wrong).double().mean()))


def test_the_gap_of_pairs_is_over_recall_and_membership() -> None:
    keys = ("pair_mi", "retain_recall", "test_recall", "forget_recall")
    ours = Audit("ft", dict.fromkeys(keys, 10.0) | {"pair_mi": 30.0}, {}, torch.zeros(0, 0))
    reference = Audit("retrained", dict.fromkeys(keys, 14.0), {}, torch.zeros(0, 0))
    found = compare([reference, ours], retrained="retrained")[1]
    assert found.metrics["average_gap"] == pytest.approx((16 + 3 * 4) / 4)


def test_each_step_of_pairs_is_judged_as_if_it_were_the_forget_set() -> None:
    made = pairs(1.5)
    steps = [made["forget"].index[:4], made["forget"].index[4:]]
    audit = compute_audit("a", made, steps=steps)
    for step, share in zip(steps, audit.steps, strict=True):
        rows = torch.isin(made["forget"].index, step)
        alone = compute_audit("a", {**made, "forget": made["forget"].take(rows)}).metrics
        for key in ("forget_recall", "pair_mi", "pair_membership_auc", "forget_alignment"):
            assert share[key] == pytest.approx(alone[key])
    with (console := Console(width=100)).capture() as capture:
        console.print(step_table([audit]))
    shown = capture.get()
    assert all(title in shown for title in ("UR %", "PMIA %"))
    assert "UA %" not in shown
