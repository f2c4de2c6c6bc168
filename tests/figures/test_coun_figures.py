"""CoUn's figures: numbers against independent ones, on models and results made by hand."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from made_results import made_results
from memorised import CLASSES, Noise, images_of, linear_model, memorising, noise_data

from unlearning_pl.benchmark.plan_figures import PlanFigures, plan_figures
from unlearning_pl.data import ForgetRequest, ImageSet, UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.figures.equal_cost import equal_cost
from unlearning_pl.figures.plug_in_gain import plug_in_gain
from unlearning_pl.figures.prediction_map import _palette, prediction_map
from unlearning_pl.figures.theorem_1 import theorem_1


def plan(distances: dict[str, list[float]], passes: dict[str, int] | None = None, **options: list[str]) -> PlanFigures:
    rows = [row._replace(passes=(passes or {}).get(row.model, 100)) for row in made_results(distances, **options)]
    return plan_figures(rows)[0]


def test_a_map_has_the_predicted_classes() -> None:
    data = noise_data()
    models = {"retrained": memorising(data, "retain"), "original": memorising(data, "train")}
    drawing = prediction_map(models, data, accelerator="cpu")
    assert [*drawing.columns] == ["model", "split", "x", "y", "predicted_class"]
    assert list(dict.fromkeys(row[0] for row in drawing.rows)) == ["original", "retrained"]
    for name, model in models.items():
        for split in ("retain", "forget", "test"):
            images, target = images_of(data, split)
            predicted = model.class_scores(images).argmax(1).tolist()
            found = Counter(row[4] for row in drawing.rows if row[:2] == (name, split))
            assert found == Counter(f"class {number}" for number in predicted)
            if (name, split) == ("retrained", "forget"):
                assert predicted != target.tolist()  # a map of the true classes would be another
    sizes = [collection.get_sizes()[0] for collection in drawing.figure.axes[0].collections[:3]]
    assert sizes[2] > 3 * max(sizes[:2])  # forget images are large
    assert not any(axes.get_visible() for axes in drawing.figure.axes[2:])


def test_a_model_may_predict_a_class_that_the_data_lack() -> None:
    data, model = noise_data(), linear_model()
    data.load()
    model.head = torch.nn.Linear(model.head.in_features, CLASSES + 3)
    torch.nn.init.constant_(model.head.bias, 0)
    with torch.no_grad():
        model.head.bias[CLASSES + 1] = 1e6
    drawing = prediction_map({"original": model}, data, accelerator="cpu")
    assert {row[4] for row in drawing.rows} == {str(CLASSES + 1)}


def test_a_map_needs_a_request() -> None:
    data = noise_data()
    data.forget = ForgetRequest()
    with pytest.raises(InputError, match="Expected forget images, got none"):
        prediction_map({"ac": linear_model()}, data, accelerator="cpu")


def test_gain_of_each_baseline_by_the_plug_in() -> None:
    """The gap of made results is in proportion to the distance."""
    distances = {"ng": [0.2, 0.4], "ng_coun": [0.1, 0.5], "fine_tune": [0.1], "coun": [0.08, 0.1], "alone": [0.1]}
    drawing = plug_in_gain(plan(distances, broken=["coun"]))
    rows = {(row[0], row[1], row[2]): row[3:] for row in drawing.rows}
    assert {*rows} == {("fine_tune", "coun", 0), ("ng", "ng_coun", 0), ("ng", "ng_coun", 1)}
    for (base, name, seed), (gap, plugged, gain, broken) in rows.items():
        assert plugged / gap == pytest.approx(distances[name][seed] / distances[base][seed])
        assert gain == pytest.approx(100 * (1 - plugged / gap))
        assert broken == (base == "fine_tune")
    bars = [patch.get_width() for patch in drawing.figure.axes[0].patches]
    assert bars == pytest.approx([20, (50 - 25) / 2])
    assert [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()] == ["fine_tune", "ng"]
    assert "mean over 1 to 2 seeds" in drawing.caption


def test_two_rows_on_one_baseline_have_a_bar_each() -> None:
    drawing = plug_in_gain(plan({"fine_tune": [0.2], "coun": [0.1], "fine_tune_coun": [0.15]}))
    bars = [patch.get_width() for patch in drawing.figure.axes[0].patches]
    assert bars == pytest.approx([50, 25])
    labels = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    assert labels == ["fine_tune, coun", "fine_tune, fine_tune_coun"]
    assert "mean over 1 seed," in drawing.caption


def test_gain_without_pairs_or_without_a_gap() -> None:
    with pytest.raises(InputError, match=r"Expected rows NAME and NAME_coun with gaps in tiny, got ng, xcoun\."):
        plug_in_gain(plan({"ng": [0.1], "xcoun": [0.2]}))
    with pytest.raises(InputError, match=r"Expected rows NAME and NAME_coun with gaps in tiny"):
        plug_in_gain(plan({"coun": [0.1], "_coun": [0.2]}))
    with pytest.raises(InputError, match="Expected a gap above 0 of ng, seed 1, got 0"):
        plug_in_gain(plan({"ng": [0.1, 0.0], "ng_coun": [0.1, 0.1]}))


def test_methods_against_the_images_that_they_read() -> None:
    figures = plan({"slow": [0.02, 0.04], "fast": [0.1, 0.1], "ssd": [0.3, 0.3]}, {"slow": 400, "fast": 50, "ssd": 0})
    drawing = equal_cost(figures)
    assert [row[:3] for row in drawing.rows] == [("slow", 2, 400), ("fast", 2, 50)]
    assert [x for row in drawing.rows for x in row[3:]] == pytest.approx([1.5, 0.02 / 2**0.5 / 0.02, 5, 0])
    assert "Not drawn, without passes or a distance: ssd." in drawing.caption
    axes = drawing.figure.axes[0]
    drawn = {str(bars.get_label()): bars[0] for bars in axes.containers}
    assert {name: (*line.get_xdata(), *line.get_ydata()) for name, line in drawn.items()} == {
        "slow": (400, pytest.approx(1.5)),
        "fast": (50, pytest.approx(5)),
    }
    assert axes.get_xlabel() == "Images that the training steps read"
    front = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert [*front.get_xdata()] == [50, 400]
    (line,) = [line for line in axes.lines if line.get_label() == "retraining"]
    assert [*line.get_xdata()] == [100, 100]


def test_without_passes_nothing_can_be_compared() -> None:
    with pytest.raises(InputError, match="Expected results of tiny with passes"):
        equal_cost(plan_figures(made_results({"ng": [0.1]}))[0])


def test_quantities_of_theorem_1_where_views_are_the_images() -> None:
    data, model = noise_data(), linear_model()
    drawing = theorem_1({"original": model}, data, views=2, accelerator="cpu")
    rows = {
        quantity: np.array([row[3:] for row in drawing.rows if row[0] == quantity])
        for quantity in ("one_minus_sigma", "unstable_fraction", "centre_distance")
    }
    images, target = images_of(data, "retain")
    flat = images.flatten(1).double().numpy()
    normalised = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    centres = [normalised[(target == number).numpy()].mean(0) for number in range(CLASSES)]
    known = sorted(np.linalg.norm(a - b) for a, b in combinations(centres, 2))
    np.testing.assert_allclose(rows["centre_distance"][:, 1], known, rtol=1e-5)

    own = [flat[(target == number).numpy()] for number in range(CLASSES)]
    farthest = max(np.linalg.norm(a - b) for part in own for a, b in combinations(part, 2)) / flat.shape[1] ** 0.5
    deltas, values = rows["one_minus_sigma"].T
    assert deltas[[0, -1]] == pytest.approx([0, farthest], rel=1e-5)
    assert values[[0, -1]] == pytest.approx([1 - 1 / max(map(len, own)), 0])  # single images, then whole classes
    assert all(np.diff(values) <= 0)
    epsilons, unstable = rows["unstable_fraction"].T
    assert not unstable[epsilons > 9e-4].any()  # both views are one image
    assert {row[2] for row in drawing.rows if row[0] == "unstable_fraction"} == {"forget", "test"}


class OneClass(Noise):
    """Noise of one class."""

    def load(self) -> tuple[ImageSet, ImageSet]:
        train, test = super().load()
        train.targets.fill_(1)
        return train, test


def test_theorem_1_needs_classes() -> None:
    data = UnlearningData(OneClass(), forget=ForgetRequest(count=16), batch_size=8)
    with pytest.raises(InputError, match="Expected retain images of two classes or more, got 1"):
        theorem_1({"original": linear_model()}, data, views=2, accelerator="cpu")


def test_of_many_classes_each_has_a_colour() -> None:
    for count in (1, 10, 20, 100):
        assert len({*_palette(count)}) == len(_palette(count)) == count
