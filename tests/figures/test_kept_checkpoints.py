"""Figures of the checkpoints that a run kept: numbers against independent ones, on models made by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from memorised import images_of, linear_model, memorising, noise_data
from tiny import make_data, make_learner, make_trainer
from torch.nn import functional as F

from unlearning_pl.data import ForgetRequest
from unlearning_pl.errors import InputError
from unlearning_pl.figures import probability_distributions as distributions
from unlearning_pl.figures.kept_checkpoints import open_checkpoints
from unlearning_pl.figures.probability_distributions import probability_distributions
from unlearning_pl.figures.similarity_over_training import similarity_over_training


def test_histograms_of_a_linear_model_are_known() -> None:
    data = noise_data()
    early, late = linear_model(), memorising(data, "train")
    torch.nn.init.normal_(early.head.weight, std=0.1)
    drawing = probability_distributions({"epoch 1": early, "epoch 2.5": late}, data, accelerator="cpu")
    assert [*drawing.columns] == ["model", "epoch", "split", "images", "low", "high", "percent"]
    for name, epoch, model in (("epoch 1", 1.0, early), ("epoch 2.5", 2.5, late)):
        for split in ("retain", "forget", "test"):
            images, target = images_of(data, split)
            with torch.no_grad():
                known = F.softmax(model.class_scores(images).double(), 1)[torch.arange(len(target)), target]
            counts, edges = np.histogram(known.numpy(), 20, (0, 1))
            rows = [row for row in drawing.rows if row[:3] == (name, epoch, split)]
            np.testing.assert_allclose([row[6] for row in rows], 100 * counts / len(images))
            np.testing.assert_allclose([row[4] for row in rows], edges[:-1], atol=1e-9)
            np.testing.assert_allclose([row[5] for row in rows], edges[1:], atol=1e-9)
            assert {row[3] for row in rows} == {len(images)}
    last = [row for row in drawing.rows if row[0] == "epoch 2.5" and row[5] == 1]
    assert last[0][6] > 90 > 50 > last[2][6]  # it has the training images by heart, not those of the test set


def test_of_many_checkpoints_six_are_drawn_and_of_an_encoder_a_probe_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def without_classes(learners: dict[str, None], *_: object, **__: object) -> dict[str, dict[str, None]]:
        asked.extend(learners)
        return {name: {} for name in learners}

    monkeypatch.setattr(distributions, "embed_models", without_classes)
    with pytest.raises(InputError, match="Expected images with classes, got some without"):
        probability_distributions({f"epoch {number}": None for number in range(1, 12)}, None)
    assert asked == [f"epoch {number}" for number in (1, 3, 5, 7, 9, 11)]
    monkeypatch.undo()
    drawing = probability_distributions({"epoch 1": make_learner("SimCLR")}, make_data(), accelerator="cpu")
    percents = [row[6] for row in drawing.rows if row[2] == "test"]
    assert sum(percents) == pytest.approx(100)


def test_similarities_of_training_and_of_other_images() -> None:
    learners = {"epoch 1": make_learner("SimCLR"), "epoch 2": make_learner("SimCLR")}
    data = make_data(forget=ForgetRequest())
    drawing = similarity_over_training(learners, data, views=3, accelerator="cpu")
    assert [*drawing.columns] == ["model", "epoch", "split", "images", "mean", "quantile_0.25", "quantile_0.75"]
    assert "3 augmented views" in drawing.caption
    embedded = make_trainer(seed=0, logger=False).embed(learners, data, 3, ["retain", "test"])
    rows = iter(drawing.rows)
    for number, name in enumerate(learners, 1):
        for split in ("retain", "test"):
            scores = embedded[name][split].similarities.double().mean(1).numpy()
            row = next(rows)
            assert row[:4] == (name, number, {"retain": "train"}.get(split, split), len(scores))
            np.testing.assert_allclose(row[4:], [scores.mean(), *np.quantile(scores, [0.25, 0.75])], rtol=1e-6)
    line = drawing.figure.axes[0].lines[0]
    assert [*line.get_xdata()] == [1, 2]
    assert [*line.get_ydata()] == [row[4] for row in drawing.rows if row[2] == "train"]


def test_views_that_are_the_images_themselves_have_similarity_1() -> None:
    drawing = similarity_over_training({"epoch 3": linear_model()}, noise_data(), views=2, accelerator="cpu")
    assert [row[2] for row in drawing.rows] == ["retain", "forget", "test"]
    np.testing.assert_allclose([row[4:] for row in drawing.rows], 1, rtol=1e-6)


def test_checkpoints_are_models_by_epoch(tmp_path: Path) -> None:
    kept = ModelCheckpoint(save_top_k=-1, every_n_train_steps=2)
    make_trainer(tmp_path / "run", callbacks=[kept]).fit(make_learner("Classifier"), datamodule=make_data())
    first = min((tmp_path / "run/checkpoints").glob("epoch*.ckpt"))
    first.rename(first.with_name("z.ckpt"))  # the order is that of the steps, not of the names
    files = {path.name: torch.load(path) for path in (tmp_path / "run/checkpoints").glob("*.ckpt")}
    steps = sorted({content["global_step"] for content in files.values()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unlearning_pl.training.runs.instantiate_from_run", lambda *_: make_learner("Classifier"))
        learners = open_checkpoints(str(tmp_path / "run"))
    assert [*learners] == [f"epoch {2 * step / max(steps):g}" for step in steps]
    for learner, step in zip(learners.values(), steps, strict=True):
        (state, *_) = [content["state_dict"] for content in files.values() if content["global_step"] == step]
        assert all(torch.equal(value, state[key]) for key, value in learner.state_dict().items())
    for name in files:
        if name != "last.ckpt":
            (tmp_path / "run/checkpoints" / name).unlink()
    with pytest.raises(InputError, match=r"Expected two checkpoints or more of .*run, got 1\. Train it with"):
        open_checkpoints(str(tmp_path / "run"))
