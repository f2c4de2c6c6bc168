"""Image passes of a run before it is run: how many images its training steps will read."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from jsonargparse import ArgumentParser

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan, TrainingPlan
from unlearning_pl.errors import InputError
from unlearning_pl.methods import FineTune, PlugIn, Unlearner
from unlearning_pl.training.parser_mode import PARSER_MODE
from unlearning_pl.types import Split


def count_passes(settings: Mapping[str, Any], data: UnlearningData) -> int | None:
    """Count the images that the training steps of a run read, as ``passes`` of its ``run.json`` counts them.

    Args:
        settings: The configuration of a run on one device, see
            :func:`~unlearning_pl.benchmark.benchmark_plan.parse_commands`.
        data: Its data, loaded, with its request.

    Returns:
        The number, an image once for each step that it is in; None if the run ends by time alone, or its streams are
        such that the run is refused.
    """
    trainer = settings["trainer"]
    epochs, limit = trainer["max_epochs"], trainer["max_steps"]
    if max(epochs or -1, limit) < 0:
        return None
    methods = _methods(settings) if "method" in settings else []
    if methods and not methods[0].takes_steps:
        return 0
    stream: Split = "retain" if methods or settings["data"]["train_on"] == "retain" else "train"
    plan = TrainingPlan(lambda epoch: (stream,), SamplePlan.training(InputSpec(views=1), seed=0))
    for method in methods:
        plan = method.extend_plan(plan)
    numbers = range(epochs) if epochs is not None and epochs >= 0 else count()
    try:
        return _count_steps(numbers, limit, trainer, plan, data)
    except InputError:
        return None


def _count_steps(
    epochs: Iterable[int], limit: int, trainer: Mapping[str, Any], plan: TrainingPlan, data: UnlearningData
) -> int:
    """Rows of all batches; ``limit`` is a number of optimiser steps, or -1."""
    every: int = trainer["accumulate_grad_batches"]
    passes, taken = 0, 0
    for epoch in epochs:
        names = plan.streams(epoch)
        rows = sum(data.rows(names, 1, plan.batch_size(names)).values())
        batches = _limited(data.steps(names, 1, plan.batch_size(names)), trainer["limit_train_batches"])
        steps = -(-batches // every)
        if 0 <= limit <= taken + steps:
            return passes + rows * min(batches, (limit - taken) * every)
        passes, taken = passes + rows * batches, taken + steps
    return passes


def _limited(batches: int, limit: int | float | None) -> int:
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _methods(settings: Mapping[str, Any]) -> list[Unlearner]:
    """The method and the plug-ins of a configuration; plug-ins alone are added to fine-tuning, as in a run."""
    parser = ArgumentParser(exit_on_error=False, parser_mode=PARSER_MODE)
    parser.add_argument("--method", type=Unlearner | None)
    parser.add_argument("--plugins", type=list[PlugIn])
    chosen = {"method": settings["method"], "plugins": settings["plugins"] or []}
    made = parser.instantiate_classes(parser.parse_object(chosen))
    methods = [*([] if made.method is None else [made.method]), *made.plugins]
    return methods if methods and methods[0].is_base else [FineTune(), *methods]
