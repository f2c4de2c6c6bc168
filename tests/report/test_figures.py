"""Figures: maps, and SVG that stands on its own."""

import re
from xml.etree import ElementTree

import matplotlib
import torch
from matplotlib.figure import Figure

from unlearning_pl.report.figures import INK, legend, render_pixels, svg
from unlearning_pl.report.histograms import histogram
from unlearning_pl.report.map_figures import embedding_map, heat_map
from unlearning_pl.report.roc_figures import roc, roc_figure

SCORES = {
    "retain": torch.linspace(0.2, 0.9, 50),
    "forget": torch.linspace(0.1, 0.8, 20),
    "test": torch.rand(30),
}


def test_heat_map_scales() -> None:
    assert heat_map(torch.eye(3)).axes[0].images[0].get_clim() == (-1, 1)
    assert heat_map(torch.eye(3), limit=0.25).axes[0].images[0].get_clim() == (-0.25, 0.25)
    heat_map(torch.zeros(1, 1), limit=0.0)


def test_forget_images_are_ringed_and_classes_have_colours() -> None:
    def part(rows: int, classes: int) -> torch.Tensor:
        return torch.cat([torch.rand(rows, 2), torch.arange(rows)[:, None] % classes], dim=1)

    drawn = embedding_map({"forget": part(9, 3), "retain": part(900, 3)}).axes[0].collections
    retain, forget = drawn
    assert len(retain.get_offsets()) == 250  # of many images, some
    assert {tuple(colour) for colour in forget.get_facecolors()[:, :3].tolist()} == {
        tuple(colour) for colour in retain.get_facecolors()[:, :3].tolist()
    }
    assert len({tuple(colour) for colour in forget.get_facecolors().tolist()}) == 3
    assert matplotlib.colors.to_hex(forget.get_edgecolors()[0]) == INK
    (many,) = embedding_map({"forget": part(40, 20)}).axes[0].collections
    assert len({tuple(colour) for colour in many.get_facecolors().tolist()}) == 1


def test_numbers_in_words_keep_their_digits() -> None:
    drawn = svg(roc_figure({"ac": roc(torch.rand(9), torch.rand(9))}, {"ac": 0.6789}), "curve", "c")
    assert "ac (0.679)" in drawn
    assert not re.search(r'\bd="[^"]*\d\.\d{3}', drawn)


def test_pixels_are_a_picture() -> None:
    picture = render_pixels(heat_map(torch.eye(4)))
    assert picture.shape[2] == 3
    assert picture.std() > 10


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


def test_a_layout_without_a_draw_is_the_layout_of_a_draw() -> None:
    def figure() -> Figure:
        drawn = Figure(layout="constrained")
        axes = drawn.add_subplot()
        axes.plot([0, 1], [0, 12345.0], label="long name")
        legend(drawn, axes)
        return drawn

    ours = svg(figure(), "text", "f1")
    drawn = figure()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    assert svg(drawn, "text", "f1") == ours
    unlaid = figure()
    unlaid.set_layout_engine("none")
    assert svg(unlaid, "text", "f1") != ours
