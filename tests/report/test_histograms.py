"""Histograms: shared axes and what is drawn."""

import pytest
import torch

from unlearning_pl.report.histograms import highest_share, histogram, value_range

SCORES = {
    "retain": torch.linspace(0.2, 0.9, 50),
    "forget": torch.linspace(0.1, 0.8, 20),
    "test": torch.rand(30),
}


def test_axes_are_shared_over_models() -> None:
    models = [SCORES, {"test": torch.cat([torch.full((9,), 3.0), torch.zeros(1)])}]
    limits = value_range(models)
    assert limits[1] == 3
    assert highest_share(models, limits) == pytest.approx(90)
    axes = histogram(SCORES, limits, 90.0, None).axes[0]
    assert axes.get_xlim() == limits
    assert axes.get_ylim()[1] == pytest.approx(97.2)


def test_bars_are_percent_of_the_split() -> None:
    axes = histogram({"test": SCORES["test"]}, (0.0, 1.0), 50.0, 0.5).axes[0]
    assert sum(axes.patches[0].get_data().values) == pytest.approx(100)
    assert [line.get_xdata()[0] for line in axes.lines] == [0.5]


def test_few_images_are_marked_one_by_one() -> None:
    axes = histogram({"forget": torch.tensor([0.25, 0.75])}, (0.0, 1.0), 50.0, None).axes[0]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.25, 0.75]
    assert not axes.patches


def test_equal_scores_still_have_a_range() -> None:
    assert value_range([{"test": torch.ones(3)}]) == (0.5, 1.5)
    assert value_range([{}]) == (0.0, 1.0)


def test_few_far_values_do_not_stretch_the_axis() -> None:
    values = {"retain": torch.linspace(0, 1, 99), "forget": torch.tensor([1e6])}
    limits = value_range([values], 0.98)
    assert limits[0] == 0
    assert limits[1] == pytest.approx(0.99, abs=0.02)
    far = {"forget": torch.full((20,), 1e6)}
    shares = histogram(far, limits, 100.0).axes[0].patches[0].get_data().values
    assert shares[-1] == 100  # beyond the axis is counted in its last bar
    assert histogram({"forget": torch.tensor([1e6])}, limits, 100.0).axes[0].lines[0].get_xdata()[0] == limits[1]


def test_without_images_there_is_still_an_axis() -> None:
    assert value_range([{"test": torch.zeros(0)}]) == (0.0, 1.0)
    histogram({"test": torch.zeros(0)}, (0.0, 1.0), 100.0)
