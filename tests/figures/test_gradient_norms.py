"""Input gradient norms: a linear model's are known, and what a model has by heart is flat."""

from statistics import median

import numpy as np
import pytest
import torch
from memorised import images_of, linear_model, memorising, noise_data
from tiny import LEARNERS, make_data, make_learner
from torch.nn import functional as F

from unlearning_pl.data import ForgetRequest
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.errors import InputError
from unlearning_pl.figures.embedded_models import embed_models
from unlearning_pl.figures.gradient_norms import gradient_norms, input_norms
from unlearning_pl.figures.row_values import row_values, split_positions

COLUMNS = ["model", "split", "images", *(f"quantile_{q}" for q in (0.05, 0.25, 0.5, 0.75, 0.95))]


def test_norms_of_a_linear_model_are_known() -> None:
    """The gradient of -log p_y in the pixels is W^T (p - e_y)."""
    data, model = noise_data(), linear_model()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    drawing = gradient_norms({"original": model}, data, accelerator="cpu")
    assert [*drawing.columns] == COLUMNS
    assert [row[:3] for row in drawing.rows] == [
        ("original", "retain", 32),
        ("original", "forget", 16),
        ("original", "test", 40),
    ]
    for _, split, _, *quantiles in drawing.rows:
        images, target = images_of(data, split)
        with torch.no_grad():
            residual = model.class_scores(images).softmax(1) - F.one_hot(target, 4)
            norms = (residual @ model.head.weight).norm(dim=1)
        known = np.quantile(norms.double().numpy(), [0.05, 0.25, 0.5, 0.75, 0.95])
        np.testing.assert_allclose(quantiles, known, rtol=1e-4)


def test_images_that_a_model_has_by_heart_are_flat_and_drawn_before_and_after() -> None:
    data = noise_data()
    models = {"retrained": memorising(data, "retain"), "original": memorising(data, "train")}
    drawing = gradient_norms(models, data, accelerator="cpu")
    medians = {(row[0], row[1]): float(row[5]) for row in drawing.rows}
    assert medians["original", "forget"] < 0.1 * medians["retrained", "forget"]
    assert medians["retrained", "forget"] > 0.5 * medians["retrained", "test"]
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["original", "retrained"]
    lines = [line.get_ydata() for line in axes.lines]
    assert median(lines[4]) == pytest.approx(float(drawing.rows[0][5]))  # caps and whiskers come before the median


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_has_norms_that_repeat_and_change_nothing(name: str) -> None:
    learner, data = make_learner(name), make_data()
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    rows = [gradient_norms({"ac": learner}, data, rows=6, accelerator="cpu").rows for _ in range(2)]
    assert rows[0] == rows[1]
    assert [row[2] for row in rows[0]] == [6, 6, 6]
    assert all(value > 0 for row in rows[0] for value in row[3:])
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())
    assert all(weight.grad is None for weight in learner.parameters())


def test_rows_of_a_group_share_batches_of_even_size() -> None:
    learner, data, sizes = make_learner("Classifier"), make_data(), []
    positions = split_positions(data, 17)

    def measure(learner, sample):  # noqa: ANN001, ANN202
        sizes.append(len(sample.index))
        return sample.index.float()

    values = row_values(learner, data, [*positions.values()], measure, accelerator="cpu")
    assert sizes == [9, 8, 8, 9, 8]  # 17 retain images, all 8 to forget, 17 of the test set; batches of at most 16
    known = torch.cat([*positions.values()])
    assert values[known].tolist() == known.tolist()
    assert int(values.isnan().sum()) == len(values) - len(known)


def test_the_loss_is_that_of_the_views_of_every_other_model() -> None:
    learner, data = make_learner("SimCLR").eval(), make_data()
    positions = split_positions(data, 8)["forget"]
    plan = SamplePlan.evaluation(InputSpec.of(learner), seed=0)
    (batch,) = data.loader(positions, plan, rows=8)
    known = input_norms(learner, data.sample(batch)).detach().double()
    found = row_values(learner, data, [positions], input_norms, accelerator="cpu")
    torch.testing.assert_close(found[positions], known, rtol=1e-4, atol=1e-6)


def test_mistakes() -> None:
    with pytest.raises(InputError, match="Expected rows >= 1, got 0"):
        gradient_norms({}, make_data(), rows=0)
    data = noise_data()
    data.forget = ForgetRequest()
    with pytest.raises(InputError, match="Expected forget images, got none"):
        gradient_norms({}, data)


def test_numbers_that_are_not_finite_are_not_drawn() -> None:
    data, model = noise_data(), linear_model()
    model.head.weight.data[:] = 1e38  # finite, its products are not
    with pytest.raises(InputError, match="Expected finite losses and gradients of Classifier, got NaN or infinity"):
        gradient_norms({"ac": model}, data, accelerator="cpu")
    with pytest.raises(InputError, match=r"Expected finite embeddings, got NaN or infinity in the logits .*\(ac\)"):
        embed_models({"ac": model}, data, accelerator="cpu")
