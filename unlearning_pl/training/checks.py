"""Checks of a training run that are made before anything is written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.strategies import FSDPStrategy

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import training_plan
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.methods import PlugIn, Unlearner
from unlearning_pl.training.compilation import CompileMode, check_compilation
from unlearning_pl.training.held_out_stop import check_held_out_stop
from unlearning_pl.training.monitor_checks import check_monitors
from unlearning_pl.training.optimizer_checks import check_optimizer, check_warmup
from unlearning_pl.types import Split


def check_types(model: LightningModule, data: LightningDataModule | None) -> tuple[Learner, UnlearningData]:
    """Check the types of the model and the data module, and return both.

    Raises:
        TypeError: If the model is not a :class:`Learner` or the data is not :class:`UnlearningData`; this is a mistake
            in a program and cannot happen in a command, so it is no :class:`InputError`.
    """
    if not isinstance(model, Learner) or not isinstance(data, UnlearningData):
        raise TypeError(
            f"Expected a Learner and datamodule=UnlearningData(...), got {type(model).__name__} and "
            f"{type(data).__name__}. Wrap the model, and pass the data as a data module."
        )
    return model, data


def check_methods(method: Unlearner, plugins: Sequence[PlugIn]) -> None:
    """Check that a method and its plug-ins can be combined.

    Args:
        method: The unlearning method.
        plugins: The plug-ins added to it.

    Raises:
        InputError: If one of them is a base class, or there are plug-ins and the method takes no training step.
    """
    for callback in (method, *plugins):
        require(
            type(callback) not in (Unlearner, PlugIn),
            f"Expected a method, got the base class {type(callback).__name__}. Choose another.",
        )
    require(
        method.takes_steps or not plugins,
        f"Expected a method that takes steps with {' and '.join(type(p).__name__ for p in plugins)}, got "
        f"{type(method).__name__}, which takes none. Leave the plug-in out, or choose another method.",
    )


def check_not_replaced(run: Path | None, weights: Path) -> None:
    """Check that a run does not replace the run whose weights it starts from.

    Raises:
        InputError: If the weights are in the run's own folder.
    """
    require(
        run is None or run.resolve() not in weights.resolve().parents,
        f"Expected another run folder than that of the weights to start from, got {run}. Choose another --run.",
    )


def check_fit(trainer: Trainer, compiled: CompileMode, model: Learner, data: UnlearningData) -> None:
    """Check that a training run is possible.

    Args:
        trainer: The trainer, with the methods among its callbacks.
        compiled: What ``trainer.compile`` was set to.
        model: The learner.
        data: The data, split.

    Raises:
        InputError: If the run has no end or no data, or model, data, methods and settings do not fit together.
    """
    _check_length(trainer, model.schedule)
    require(
        trainer.precision in ("32-true", "bf16-mixed", "16-mixed"),
        f"Expected trainer.precision 32-true, bf16-mixed or 16-mixed, got {trainer.precision}. Choose one of them.",
    )
    _check_batch_limits(trainer)
    methods = [callback for callback in trainer.callbacks if isinstance(callback, Unlearner)]  # type: ignore[attr-defined]
    require(
        getattr(trainer.strategy, "_start_method", None) != "spawn",
        "Expected trainer.strategy ddp, got ddp_spawn, which has to pickle the model and the data. Choose ddp.",
    )
    if isinstance(trainer.strategy, FSDPStrategy):
        _check_fsdp(trainer, (model, *methods))
    check_compilation(trainer, compiled, methods)
    data.setup("fit")
    check_optimizer(model, getattr(trainer, "channels_last", False), trainer.strategy.root_device)
    check_monitors(trainer, model, bool(len(data.positions("validation"))))
    model.check(data.examples(), len(data.class_names))
    for method in methods:
        minima = (trainer.fit_loop.min_epochs, trainer.fit_loop.min_steps)
        require(
            method.takes_steps or not any(minima),
            f"Expected no trainer.min_epochs and min_steps with {type(method).__name__}, which takes no step, got "
            f"{minima[0]} and {minima[1]}. Leave them out.",
        )
    check_held_out_stop(trainer, model, data)
    plan = training_plan(trainer, model, data.train_on)
    check_warmup(trainer, model, planned_steps(trainer, model, data))
    combinations = dict.fromkeys(plan.streams(epoch) for epoch in range(max(1, trainer.max_epochs or 1)))
    fewest = min(batches(trainer, data, names, plan.batch_size(names)) for names in combinations)
    if len(data.positions("validation")):
        _check_val_interval(trainer, fewest)


def batches(trainer: Trainer, data: UnlearningData, streams: tuple[Split, ...], rows: int | None = None) -> int:
    """Number of batches of so many rows in an epoch with these streams, after ``limit_train_batches``."""
    limit, total = trainer.limit_train_batches, data.steps(streams, trainer.world_size, rows)
    return min(total, limit) if isinstance(limit, int) else int(total * limit)


def planned_steps(trainer: Trainer, model: LightningModule, data: UnlearningData) -> int:
    """Number of optimiser steps of a run that ends after ``max_epochs``, or earlier after ``max_steps``."""
    plan = training_plan(trainer, model, data.train_on)
    epochs = Counter(plan.streams(epoch) for epoch in range(trainer.max_epochs or 0))
    every = trainer.accumulate_grad_batches
    steps = sum(
        count * -(-batches(trainer, data, names, plan.batch_size(names)) // every) for names, count in epochs.items()
    )
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def _check_length(trainer: Trainer, schedule: str) -> None:
    """Check that a run has an end, and a learning-rate schedule has one that is known before the first step."""
    limits = (trainer.max_epochs or 0, trainer.max_steps)
    ends = 0 not in limits and max(limits) > 0
    timed = 0 not in limits and any(isinstance(callback, Timer) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    require(
        trainer.fast_dev_run or ends or timed,  # type: ignore[attr-defined]
        f"Expected trainer.max_epochs or trainer.max_steps above 0, got {limits[0]} and {limits[1]}. Set one of them, "
        "or trainer.max_time; -1 disables the others.",
    )
    require(
        trainer.fast_dev_run or ends or schedule == "constant",  # type: ignore[attr-defined]
        f"Expected --schedule constant for a run that trainer.max_time alone ends, got {schedule}, which decays over a "
        "known number of steps. Choose constant, or set trainer.max_epochs or trainer.max_steps too.",
    )


def _check_batch_limits(trainer: Trainer) -> None:
    """Check values that Lightning accepts, and then divides by or trains on nothing with."""
    every = trainer.accumulate_grad_batches
    require(every >= 1, f"Expected trainer.accumulate_grad_batches >= 1, got {every}. Leave it out.")
    limit = trainer.limit_train_batches
    require(limit > 0, f"Expected trainer.limit_train_batches above 0, got {limit}. Leave it out.")


def _check_val_interval(trainer: Trainer, fewest: int) -> None:
    interval = trainer.val_check_interval
    in_batches = isinstance(interval, int) and trainer.limit_val_batches > 0
    most = fewest if trainer.check_val_every_n_epoch is not None else float("inf")
    require(
        not in_batches or 0 < interval <= most,
        f"Expected trainer.val_check_interval from 1 to {most}, the batches of the smallest epoch, got {interval}. "
        "Choose a smaller one, a fraction such as 0.5, or count across epochs with "
        "trainer.check_val_every_n_epoch null.",
    )


def _check_fsdp(trainer: Trainer, components: Sequence[Learner | Unlearner]) -> None:
    for component in components:
        require(
            component.supports_fsdp,
            f"Expected a model and methods whose weights can be sharded over processes, got {type(component).__name__}."
            " Choose trainer.strategy ddp; docs/strategies.md lists what fsdp supports.",
        )
    clips = trainer.gradient_clip_val and trainer.gradient_clip_algorithm != "value"
    require(
        not clips,
        f"Expected no trainer.gradient_clip_val with fsdp, whose processes know only a part of the norm, got "
        f"{trainer.gradient_clip_val}. Leave it out, or set trainer.gradient_clip_algorithm to value.",
    )
    state_type = trainer.strategy._state_dict_type  # type: ignore[attr-defined]
    require(
        state_type == "full",
        f"Expected state_dict_type full, one file that every command reads, got {state_type}. Leave it out.",
    )
