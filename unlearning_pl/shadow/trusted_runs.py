"""Classes in the configuration of a run that shadow models repeat, with its method, its optimiser and its trainer."""

from collections.abc import Sequence
from pathlib import Path

from torch.optim import Optimizer

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.methods import PlugIn, Unlearner
from unlearning_pl.training import runs
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trusted_classes import check_classes

_EXPECTED: dict[str, type] = {
    "model": Learner,
    "data": UnlearningData,
    "method": Unlearner,
    "plugins": PlugIn,
    "optimizer": Optimizer,
    "trainer": UnlearningTrainer,
}
_USUAL = ("torch.optim", "lightning.pytorch.strategies")
"""Modules whose classes do nothing but what a training needs."""


def check_classes_of_runs(repeated: Sequence[str], retrained: str | None, allow: Sequence[str] = ()) -> None:
    """Check the classes that runs name, before shadow models are trained by their configurations.

    Shadow models repeat a run, which a command that only reads it does not: they have its method and optimiser, and
    its callbacks and loggers. Classes of this package, of torch.optim and Lightning's strategies are known; the user
    allows others.

    Args:
        repeated: Run folders that shadow models repeat.
        retrained: Run folder of the reference, of which the model alone is read.
        allow: Packages or classes that the user allows.

    Raises:
        InputError: If a configuration names another class.
    """
    for run in repeated:
        for key, value in runs.read_config(run).items():
            check_classes(value, _EXPECTED.get(key, str), [*_USUAL, *allow], Path(run) / runs.CONFIG)
    if retrained is not None:
        runs.trusted_settings(retrained, allow, ["model"])
