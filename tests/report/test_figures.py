"""Figures: shared axes, what is drawn, and SVG that stands on its own."""

import re
from xml.etree import ElementTree

import matplotlib
import pytest
import torch

from unlearning_pl.report.figures import INK, heat_map, highest_share, histogram, score_range, svg

SCORES = {
    "retain": torch.linspace(0.2, 0.9, 50),
    "forget": torch.linspace(0.1, 0.8, 20),
    "test": torch.rand(30),
}


def test_axes_are_shared_over_models() -> None:
    models = [SCORES, {"test": torch.cat([torch.full((9,), 3.0), torch.zeros(1)])}]
    limits = score_range(models)
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
    assert score_range([{"test": torch.ones(3)}]) == (0.5, 1.5)
    assert score_range([{}]) == (0.0, 1.0)


def test_heat_map_scales() -> None:
    assert heat_map(torch.eye(3)).axes[0].images[0].get_clim() == (-1, 1)
    assert heat_map(torch.eye(3), limit=0.25).axes[0].images[0].get_clim() == (-0.25, 0.25)
    heat_map(torch.zeros(1, 1), limit=0.0)


def test_svg_follows_the_page_and_is_described() -> None:
    drawn = svg(histogram(SCORES, (0.0, 1.0), 50.0, 0.5), "scores of <a> & b", "h1")
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"] == "scores of <a> & b"
    assert root[0].text == "scores of <a> & b"
    assert INK not in drawn
    assert "currentColor" in drawn
    assert "<style" not in drawn
    assert not re.search(r'(src|href)="(?!#|data:)', drawn)


def test_ids_of_two_figures_on_a_page_differ_and_references_resolve() -> None:
    found = []
    for name in ("m0", "m1"):
        drawn = svg(heat_map(torch.eye(4)), "map", name)
        ids = set(re.findall(r'\bid="([^"]+)"', drawn))
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawn)) <= {(i, "") for i in ids} | {
            ("", i) for i in ids
        }
        found.append(ids)
    assert not found[0] & found[1]


def test_drawing_is_repeatable_and_leaves_global_settings() -> None:
    before = dict(matplotlib.rcParams)
    first, second = (svg(heat_map(torch.eye(4)), "map", "m") for _ in range(2))
    assert first == second
    assert dict(matplotlib.rcParams) == before
