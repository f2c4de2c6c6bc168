"""The figure of relearning has a line for each model and a panel for each figure that some model has."""

from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.report.relearning_figure import relearning_figure

CURVE = RelearningCurve((0, 1, 2), (50.0, 75.0, 100.0), (0.5, 0.6, 0.7), (2.0, 1.5, 1.0))


def test_each_model_has_its_line_in_each_panel() -> None:
    shorter = RelearningCurve((0, 1), (), (0.5, 0.9), (3.0, 2.0))  # without classes, and it diverged
    figure = relearning_figure({"original": CURVE, "retrained": CURVE, "_ac$": shorter})
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Forget accuracy, %",
        "Membership AUC",
        "Loss of forget images",
    ]
    assert [list(line.get_ydata()) for line in figure.axes[1].lines] == [[*CURVE.auc], [*CURVE.auc], [0.5, 0.9]]
    assert len(figure.axes[0].lines[2].get_xdata()) == 0
    names = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert names == ["original", "retrained", r"_ac\$"]


def test_without_curves_there_is_no_line() -> None:
    assert all(not axes.lines for axes in relearning_figure({}).axes)
