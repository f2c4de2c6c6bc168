"""Loss of a batch: a linear model's is known, and all batches have one size."""

import numpy as np
import pytest
import torch
from memorised import images_of, linear_model, memorising, noise_data
from tiny import make_data, make_learner
from torch.nn import functional as F

from unlearning_pl.errors import InputError
from unlearning_pl.figures.batch_loss import batch_loss


def test_losses_of_a_linear_model_are_known() -> None:
    data, model = noise_data(), linear_model()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    drawing = batch_loss({"ac": model}, data, accelerator="cpu")
    assert [*drawing.columns] == ["model", "split", "images", "mean", "standard_error"]
    bars = [patch.get_height() for patch in drawing.figure.axes[0].patches]
    for (name, split, count, mean, error), bar in zip(drawing.rows, bars, strict=True):
        assert (name, count) == ("ac", 8)
        images, target = images_of(data, split)
        rows = np.linspace(0, len(images) - 1, 8).round().astype(int)
        with torch.no_grad():
            losses = F.cross_entropy(model.class_scores(images[rows]), target[rows], reduction="none").double().numpy()
        assert bar == mean == pytest.approx(losses.mean(), rel=1e-5)
        assert error == pytest.approx(losses.std(ddof=1) / 8**0.5, rel=1e-5)
    assert [row[1] for row in drawing.rows] == ["retain", "forget", "test"]
    assert [bool(patch.get_hatch()) for patch in drawing.figure.axes[0].patches] == [False, True, False]  # for print


def test_what_was_remembered_before_and_not_after() -> None:
    data = noise_data()
    models = {"original": memorising(data, "train"), "retrained": memorising(data, "retain")}
    means = {(row[0], row[1]): row[3] for row in batch_loss(models, data, accelerator="cpu").rows}
    assert means["original", "forget"] < 0.1 < 1 < means["retrained", "forget"]
    assert means["original", "retain"] < 0.1
    assert means["retrained", "retain"] < 0.1


def test_a_contrastive_loss_gets_batches_of_one_size_one_split_each() -> None:
    """Of random weights the loss of n rows is near log(2 n - 1), so that unequal batches would differ by their size."""
    drawing = batch_loss({"ac": make_learner("SimCLR")}, make_data(batch_size=16), accelerator="cpu")
    assert [row[2] for row in drawing.rows] == [8, 8, 8]  # all images to forget
    assert np.ptp([row[3] for row in drawing.rows]) < 0.3


def test_one_image_has_no_standard_error() -> None:
    drawing = batch_loss({"ac": linear_model()}, noise_data(), rows=1, accelerator="cpu")
    assert [row[2] for row in drawing.rows] == [1, 1, 1]
    assert [row[4] for row in drawing.rows] == ["", "", ""]
    assert "standard error" not in drawing.caption
    assert not drawing.figure.axes[0].lines  # caps of error bars


def test_mistakes() -> None:
    with pytest.raises(InputError, match="Expected two images or more of each split, got one"):
        batch_loss({"ac": make_learner("SimCLR")}, make_data(batch_size=16), rows=1, accelerator="cpu")
    with pytest.raises(InputError, match=r"Expected rows <= 8, data\.eval_batch_size, got 9"):
        batch_loss({}, noise_data(), rows=9)
