"""Kinds of figures by name: what each reads, its options, and the function that draws it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from unlearning_pl.figures.batch_loss import batch_loss
from unlearning_pl.figures.drawing import Drawing
from unlearning_pl.figures.equal_cost import equal_cost
from unlearning_pl.figures.gradient_norms import gradient_norms
from unlearning_pl.figures.plug_in_gain import plug_in_gain
from unlearning_pl.figures.prediction_map import prediction_map
from unlearning_pl.figures.probability_distributions import probability_distributions
from unlearning_pl.figures.similarity_over_training import similarity_over_training
from unlearning_pl.figures.theorem_1 import theorem_1


class Kind(NamedTuple):
    """A kind of figure.

    Attributes:
        title: Heading of the figure.
        reads: ``models``, the runs of an audit; ``checkpoints``, those that one run kept; ``results`` of a benchmark.
        options: Options of the command that it takes besides.
        draw: Makes the drawing: of models by name, data and options, or of the figures of a plan.
    """

    title: str
    reads: Literal["models", "checkpoints", "results"]
    options: tuple[str, ...]
    draw: Callable[..., Drawing]


KINDS = {
    "similarity_over_training": Kind(
        "Cosine similarity of views over training", "checkpoints", ("views",), similarity_over_training
    ),
    "batch_loss": Kind("Loss of a batch, before and after", "models", ("rows",), batch_loss),
    "probability_distributions": Kind(
        "Predicted probability at degrees of overfitting", "checkpoints", (), probability_distributions
    ),
    "gradient_norms": Kind("Input gradient norms, before and after", "models", ("rows",), gradient_norms),
    "prediction_map": Kind("Maps of the features by predicted class", "models", (), prediction_map),
    "plug_in_gain": Kind("Improvement by plugging in the contrastive term", "results", (), plug_in_gain),
    "equal_cost": Kind("Methods at equal cost", "results", (), equal_cost),
    "theorem_1": Kind("Quantities of CoUn's Theorem 1", "models", ("views", "rows"), theorem_1),
}
"""Each kind by the name of its files."""
