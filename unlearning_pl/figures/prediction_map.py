"""Figure: maps of the features, coloured by predicted class, with the forget images large.

References:
    [1] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.audits.probes import class_probabilities
from unlearning_pl.audits.tsne_map import embedding_map
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.figures.drawing import Drawing, before_and_after, panel_grid, plain_label
from unlearning_pl.figures.embedded_models import embed_models
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import INK, style_axes
from unlearning_pl.types import Split

_COLUMNS = ("model", "split", "x", "y", "predicted_class")
_MARKS: dict[Split, dict[str, Any]] = {
    "retain": {"s": 9, "alpha": 0.5, "linewidths": 0, "marker": "o"},
    "test": {"s": 11, "alpha": 0.5, "linewidths": 0, "marker": "^"},
    "forget": {"s": 46, "edgecolors": INK, "linewidths": 0.9, "marker": "o"},
}


def prediction_map(learners: Mapping[str, Learner], data: UnlearningData, **options: Any) -> Drawing:
    """Draw a t-SNE map of the features of each model, coloured by predicted class, with forget images large [1].

    The prediction is the model's own, or that of a linear probe on its features, fitted on the retain images. The
    images are those of the maps of an audit.

    Args:
        learners: The models by name.
        data: The data, with a forget set.
        options: Options of the trainer.

    Raises:
        InputError: If there are no forget or no test images, fewer than ten images, or images without classes.
    """
    maps: dict[str, dict[Split, Tensor]] = {}
    for name, splits in embed_models(learners, data, **options).items():
        require("forget" in splits, "Expected forget images, got none. Give a run with a request.")
        predicted = {split: values.argmax(1) for split, values in class_probabilities(splits).items()}
        require(bool(predicted), "Expected images with classes, got some without. Give a run on labelled images.")
        maps[name] = embedding_map({key: replace(part, target=predicted[key]) for key, part in splits.items()})
        require(bool(maps[name]), "Expected ten images or more for a map, got fewer. Give a run on more images.")
    highest = max(int(points[:, 2].max()) for splits in maps.values() for points in splits.values())
    names = [*data.class_names, *map(str, range(len(data.class_names), highest + 1))]  # a model may have more classes
    rows = [
        (name, split, float(x), float(y), names[int(label)])
        for name in before_and_after(maps)
        for split, points in maps[name].items()
        for x, y, label in points.tolist()
    ]
    return Drawing(_draw({name: maps[name] for name in before_and_after(maps)}, names), _COLUMNS, rows, _CAPTION)


def _draw(maps: Mapping[str, Mapping[Split, Tensor]], names: Sequence[str]) -> Figure:
    lines, columns = panel_grid(len(maps))
    figure = Figure(figsize=(2.9 * columns + 1.3, 2.9 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    used = sorted({int(label) for splits in maps.values() for points in splits.values() for label in points[:, 2]})
    colours = dict(zip(used, _palette(len(used)), strict=True))
    for place, axes in enumerate(grid.flat):
        axes.set(xticks=[], yticks=[])
        style_axes(axes)
        axes.set_visible(place < len(maps))
    for axes, (name, splits) in zip(grid.flat, maps.items(), strict=False):
        axes.set_title(plain_label(name), fontsize=9.5, color=INK)
        for split in (split for split in _MARKS if split in splits):
            x, y, labels = splits[split].T.tolist()
            axes.scatter(x, y, c=[colours[int(label)] for label in labels], label=f"{split} images", **_MARKS[split])
    _legend(figure, grid[0, 0], {names[label]: colours[label] for label in used})
    return figure


def _palette(count: int) -> list[str]:
    """Colours of classes: distinct ones up to twenty, shades of a rainbow above."""
    table = "tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"
    colours = matplotlib.colormaps[table] if count <= 20 else matplotlib.colormaps[table].resampled(count)
    return [str(matplotlib.colors.to_hex(colours(number))) for number in range(count)]


def _legend(figure: Figure, axes: Axes, classes: Mapping[str, str]) -> None:
    """Sizes of the splits, then colours of at most twenty classes; of more the table has the names."""
    marks = [axes.scatter([], [], color="none" if s == "forget" else INK, **m) for s, m in _MARKS.items()]
    texts = [f"{split} images" for split in _MARKS]
    if len(classes) <= 20:
        marks += [axes.scatter([], [], color=colour, s=26) for colour in classes.values()]
        texts += [plain_label(name if len(name) <= 16 else f"{name[:15]}…") for name in classes]
    figure.legend(marks, texts, loc="outside right center", frameon=False, fontsize=9, labelcolor=INK)


_CAPTION = (
    "t-SNE map of the encoder output of some images of each split, coloured by the class that the model predicts, or a "
    "linear probe on its features, fitted on the retain images; forget images are large. Distances between groups have "
    "no meaning. A model that never saw the forget images puts them beside the retain images that they resemble, "
    "whatever their class (CoUn, arXiv 2509.16391)."
)
