"""What cannot work is found out before anything is written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.methods import PlugIn, Unlearner
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoints import ORIGINAL, read_checkpoint
from unlearning_pl.training.weights import check_weights
from unlearning_pl.types import Split


def check_types(model: LightningModule, data: LightningDataModule | None) -> tuple[Learner, UnlearningData]:
    """What is trained on what, if they are of our kind.

    Raises:
        TypeError: If they are not, which is a mistake in a program and not in a command.
    """
    if not isinstance(model, Learner) or not isinstance(data, UnlearningData):
        raise TypeError(
            f"Expected a Learner and datamodule=UnlearningData(...), got {type(model).__name__} and "
            f"{type(data).__name__}. Wrap the model, and pass the data as a data module."
        )
    return model, data


def check_methods(method: Unlearner, plugins: Sequence[PlugIn]) -> None:
    """Refuse methods that do not go together.

    Args:
        method: What is to unlearn.
        plugins: What joins it.

    Raises:
        InputError: If one is no method at all, or a plug-in has no step to join.
    """
    for part in (method, *plugins):
        require(
            type(part) not in (Unlearner, PlugIn),
            f"Expected a method, got {type(part).__name__}, which methods are made of. Choose another.",
        )
    require(
        method.takes_steps or not plugins,
        f"Expected a method that trains under {' and '.join(type(p).__name__ for p in plugins)}, got "
        f"{type(method).__name__}, which takes no step. Leave the plug-in out, or choose another method.",
    )


def check_not_replaced(run: Path | None, weights: Path) -> None:
    """Refuse to replace the run that another begins with.

    Raises:
        InputError: If the weights lie in the run's own folder.
    """
    require(
        run is None or run.resolve() not in weights.resolve().parents,
        f"Expected another run folder than that of the weights to begin with, got {run}. Choose another --run.",
    )


def check_fit(trainer: Trainer, compiled: bool, model: Learner, data: UnlearningData) -> None:
    """Refuse a training that cannot work.

    Args:
        trainer: With the methods among its callbacks.
        compiled: Whether the encoder is compiled.
        model: The learner.
        data: The data, split.

    Raises:
        InputError: If the run has no end or no data, or model, data, methods and settings do not fit together.
    """
    ends = (trainer.max_epochs or 0, trainer.max_steps)
    require(
        trainer.fast_dev_run or (0 not in ends and max(ends) > 0),  # type: ignore[attr-defined]
        f"Expected trainer.max_epochs or trainer.max_steps above 0, got {ends[0]} and {ends[1]}. Set one of them; -1 "
        "leaves the other out.",
    )
    require(
        trainer.precision in ("32-true", "bf16-mixed", "16-mixed"),
        f"Expected trainer.precision 32-true, bf16-mixed or 16-mixed, got {trainer.precision}. Choose one of them.",
    )
    _check_amounts(trainer)
    methods = [callback for callback in trainer.callbacks if isinstance(callback, Unlearner)]  # type: ignore[attr-defined]
    require(
        getattr(trainer.strategy, "_start_method", None) != "spawn",
        "Expected trainer.strategy ddp, got ddp_spawn, which has to pickle what a run is made of. Choose ddp.",
    )
    if isinstance(trainer.strategy, FSDPStrategy):
        _check_sharded(trainer, compiled, (model, *methods))
    data.setup("fit")
    model.check(data.examples(), len(data.class_names))
    for method in methods:
        least = (trainer.fit_loop.min_epochs, trainer.fit_loop.min_steps)
        require(
            method.takes_steps or not any(least),
            f"Expected no trainer.min_epochs and min_steps with {type(method).__name__}, which takes no step, got "
            f"{least[0]} and {least[1]}. Leave them out.",
        )
        require(
            method.supports_compile or not compiled,
            f"Expected trainer.compile = false with {type(method).__name__}, got true. Leave it out.",
        )
    needed = [name for plugin in methods if isinstance(plugin, PlugIn) for name in plugin.required_streams]
    streams = methods[0].streams if methods else data.streams
    epochs = dict.fromkeys(streams(epoch) for epoch in range(max(1, trainer.max_epochs or 1)))
    fewest = min(batches(trainer, data, tuple(dict.fromkeys((*fed, *needed)))) for fed in epochs)
    if len(data.positions("validation")):
        _check_interval(trainer, fewest)


def batches(trainer: Trainer, data: UnlearningData, streams: tuple[Split, ...]) -> int:
    """Batches of an epoch that is fed these streams, or what ``limit_train_batches`` leaves of them."""
    limit, whole = trainer.limit_train_batches, data.steps(streams, trainer.world_size)
    return min(whole, limit) if isinstance(limit, int) else int(whole * limit)


def planned_steps(trainer: Trainer, data: UnlearningData) -> int:
    """Steps of the optimiser of a run that ends by its epochs, or by ``max_steps`` before."""
    fed = Counter(data.streams(epoch) for epoch in range(trainer.max_epochs or 0))
    every = trainer.accumulate_grad_batches
    count = sum(epochs * -(-batches(trainer, data, streams) // every) for streams, epochs in fed.items())
    return count if trainer.max_steps == -1 else min(count, trainer.max_steps)


def check_resume(trainer: Trainer, run: Path | None, path: Path, model: Learner, data: UnlearningData) -> None:
    """Refuse to resume from what is no checkpoint of this run.

    Args:
        trainer: Its settings.
        run: The run folder.
        path: The checkpoint.
        model: The learner.
        data: The data, split.

    Raises:
        InputError: If it is another run's, or the run's settings are no longer the same.
    """
    checkpoint = read_checkpoint(path)
    _check_form(model, checkpoint["state_dict"], path)
    planned = checkpoint.get("planned", {})
    now = {name: value for name, value in model.plan(trainer).items() if planned.get(name, value) != value}
    constant = planned.get("schedule") in (None, "constant") and model.schedule == "constant"
    before = {name: planned[name] for name in now}
    require(
        constant or not now,
        f"Expected {before} as in {path}, got {now}. Repeat them: only a constant rate can go on for longer.",
    )
    require(
        run is None or run.resolve() in path.resolve().parents,
        f"Expected a checkpoint of the run {run} to resume from, got {path}. Give ckpt_path = last.",
    )
    began = getattr(trainer, "provenance", {}).get(ORIGINAL)
    require(
        checkpoint.get(ORIGINAL, began) == began,
        f"Expected the original that {path} began as, got another one. Put it back, or start a new run.",
    )
    if run is not None:
        data.verify_split(run / runs.MANIFEST)


def _check_form(model: Learner, state: dict[str, Tensor], path: Path) -> None:
    """Refuse weights of another model, and those that can be read but whose optimiser's state would not fit."""
    ours = model.weights(state)
    check_weights(model, ours, path)
    require(
        all(name in state and state[name].shape == value.shape for name, value in ours.items()),
        f"Expected a checkpoint of this version to resume from, got {path}, whose weights have other shapes or names. "
        "Begin again with --overwrite; as an original it still serves.",
    )


def _check_amounts(trainer: Trainer) -> None:
    """What Lightning takes, to divide by it later or to train on nothing."""
    every = trainer.accumulate_grad_batches
    require(every >= 1, f"Expected trainer.accumulate_grad_batches >= 1, got {every}. Leave it out.")
    limit = trainer.limit_train_batches
    require(limit > 0, f"Expected trainer.limit_train_batches above 0, got {limit}. Leave it out.")


def _check_interval(trainer: Trainer, fewest: int) -> None:
    interval = trainer.val_check_interval
    counted = isinstance(interval, int) and trainer.limit_val_batches > 0
    most = fewest if trainer.check_val_every_n_epoch is not None else float("inf")
    require(
        not counted or 0 < interval <= most,
        f"Expected trainer.val_check_interval from 1 to {most}, the batches of the smallest epoch, got {interval}. "
        "Choose a smaller one, a share such as 0.5, or count over epochs with trainer.check_val_every_n_epoch null.",
    )


def _check_sharded(trainer: Trainer, compiled: bool, parts: Sequence[Learner | Unlearner]) -> None:
    for part in parts:
        require(
            part.supports_fsdp,
            f"Expected a model and methods whose weights can be spread over processes, got {type(part).__name__}. "
            "Choose trainer.strategy ddp; docs/strategies.md says what goes with fsdp.",
        )
    require(not compiled, "Expected trainer.compile = false with fsdp, got true. Leave it out.")
    clips = trainer.gradient_clip_val and trainer.gradient_clip_algorithm != "value"
    require(
        not clips,
        f"Expected no trainer.gradient_clip_val with fsdp, whose processes know a part of the norm, got "
        f"{trainer.gradient_clip_val}. Leave it out, or set trainer.gradient_clip_algorithm to value.",
    )
    kind = trainer.strategy._state_dict_type  # type: ignore[attr-defined]
    require(
        kind == "full", f"Expected state_dict_type full, one file that every command reads, got {kind}. Leave it out."
    )
