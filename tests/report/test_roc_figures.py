"""ROC curves against scikit-learn's."""

import pytest
import torch
from sklearn.metrics import roc_curve
from torch import Tensor

from unlearning_pl.report.roc_figures import POINTS, line_styles, roc, roc_figure


def whole(forget: Tensor, test: Tensor) -> dict[float, float]:
    """Best rate of images found by rate of false alarms."""
    labels = [1] * len(forget) + [0] * len(test)
    alarms, found, _ = roc_curve(labels, torch.cat([forget, test]).numpy(), drop_intermediate=False)
    return {round(float(a), 6): float(f) for a, f in zip(alarms, found, strict=True)}


@pytest.mark.parametrize("sizes", [(30, 50), (1, 1), (400, 3000), (3, 700)])
@pytest.mark.parametrize("ties", [False, True])
def test_every_point_is_one_of_the_whole_curve_and_the_best_at_its_price(sizes: tuple[int, int], ties: bool) -> None:
    forget, test = torch.randn(sizes[0]) + 0.5, torch.randn(sizes[1])
    if ties:
        forget, test = forget.round(decimals=1), test.round(decimals=1)
    curve, exact = roc(forget, test), whole(forget, test)
    assert len(curve) <= POINTS + 1
    assert curve[-1].tolist() == [1, 1]
    assert bool((curve.diff(dim=0) >= 0).all())
    for alarms, found in curve.double().tolist():
        assert exact[round(alarms, 6)] == pytest.approx(found, abs=1e-6)


def test_a_small_curve_is_whole() -> None:
    forget, test = torch.randn(20) + 1, torch.randn(30)
    assert len(roc(forget, test)) == len(whole(forget, test))


def test_without_images_there_is_no_curve() -> None:
    assert roc(torch.zeros(0), torch.rand(3)).shape == (0, 2)
    assert roc(torch.rand(3), torch.zeros(0)).shape == (0, 2)


def test_the_figure_names_every_model_and_guessing() -> None:
    curves = {name: roc(torch.rand(30), torch.rand(50)) for name in ("original", "retrained", "a$b")}
    figure = roc_figure(curves, {"a$b": 0.51234})
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["guessing", "original", "retrained", r"a\$b (0.512)"]
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    diagonal = axes.lines[0]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    lowest = axes.get_xlim()[0]
    assert all(min(line.get_ydata()) >= lowest for line in axes.lines)  # zero has no place on a logarithmic axis


def test_retrained_models_share_a_colour_and_differ_by_their_dashes() -> None:
    names = ["ac", "retrained", "original", "retrained_2", "coun", "retrained_3", "retrained_later"]
    styles = dict(zip(names, line_styles(names), strict=True))
    references = [styles[name] for name in ("retrained", "retrained_2", "retrained_3")]
    assert len({colour for colour, _ in references}) == 1
    assert len({dashes for _, dashes in references}) == 3
    others = {styles[name][0] for name in ("ac", "original", "coun", "retrained_later")}
    assert len(others - {references[0][0]}) == 4
