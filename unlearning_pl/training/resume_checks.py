"""Checks of a checkpoint that a run resumes from, made before anything is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.seeds import effective_seed
from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.learners import Learner
from unlearning_pl.learners.optimizer_settings import COMPILE, NOT_RECORDED
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import CHECKPOINT, ORIGINAL, read_checkpoint
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.resume import NORMALISATION, SEED, TF32, normalisation
from unlearning_pl.training.weights import check_weights


def check_resume(trainer: Trainer, run: Path | None, path: Path, model: Learner, data: UnlearningData) -> None:
    """Check that a checkpoint belongs to this run and its settings.

    Args:
        trainer: The trainer.
        run: The run folder.
        path: The checkpoint.
        model: The learner.
        data: The data, split.

    Raises:
        InputError: If the checkpoint is another run's, or the run's settings have changed.
    """
    checkpoint = read_checkpoint(path)
    require(
        "optimizer_states" in checkpoint,
        f"Expected a checkpoint of a run to resume from, got {path} with weights alone. Start a run with --weights.",
    )
    _check_shapes(model, checkpoint["state_dict"], path)
    _check_schedule(checkpoint.get("planned", {}), trainer, model, path)
    require(
        run is None or run.resolve() in path.resolve().parents,
        f"Expected a checkpoint of the run {run} to resume from, got {path}. Give ckpt_path = last.",
    )
    original = getattr(trainer, "provenance", {}).get(ORIGINAL)
    require(
        checkpoint.get(ORIGINAL, original) == original,
        f"Expected the original that {path} started from, got another one. Restore it, or start a new run.",
    )
    seed = effective_seed(trainer)
    require(
        (checkpoint.get(SEED, seed) or 0) == seed,
        f"Expected the seed {checkpoint.get(SEED)} of {path} when resuming, got {seed}. Repeat it, or start a new run.",
    )
    _check_precision(checkpoint, trainer, path)
    pixels = normalisation(model, data)
    require(
        checkpoint.get(NORMALISATION, pixels) == pixels,
        f"Expected images normalised by {checkpoint.get(NORMALISATION)} as in {path} when resuming, got {pixels}. Give "
        "the source that the run had.",
    )
    if run is not None:
        if path.resolve() == (run / CHECKPOINT).resolve():  # another checkpoint is of an earlier step
            check_recorded(run, checkpoint["state_dict"])
        data.verify_split(run / runs.MANIFEST)


def _check_schedule(planned: Mapping[str, Any], trainer: Trainer, model: Learner, path: Path) -> None:
    """Check that a run keeps its optimiser's settings, and its length, which may only grow at a constant rate."""
    planned = {**NOT_RECORDED, **planned}
    changed = {name: value for name, value in model.plan(trainer).items() if planned.get(name, value) != value}
    for name in (name for name in (*NOT_RECORDED, COMPILE) if name in changed):
        before = shown(planned[name])
        raise InputError(
            f"Expected --{name} {before} as in {path} when resuming, got {changed[name]}. Give --{name} {before}, "
            "or start a new run."
        )
    constant = planned.get("schedule") in (None, "constant") and model.schedule == "constant"
    recorded = {name: planned[name] for name in changed}
    require(
        constant or not changed,
        f"Expected {recorded} as in {path}, got {changed}. Repeat them: only a run with a constant learning rate can "
        "be extended.",
    )


def _check_precision(checkpoint: Mapping[str, Any], trainer: Trainer, path: Path) -> None:
    """Check that a run on CUDA keeps the precision of its float32 products; elsewhere the setting has no effect."""
    now = getattr(trainer, "tf32", False)
    before, on_cuda = checkpoint.get(TF32, now), trainer.strategy.root_device.type == "cuda"
    if on_cuda and TF32 not in checkpoint:
        rank_zero_warn(
            f"{path} is of a version without trainer.tf32, which had convolutions in TF32 and matrix products in full "
            f"precision. The run continues with trainer.tf32 {str(now).lower()}, and not bit for bit."
        )
    require(
        before == now or not on_cuda,
        f"Expected --trainer.tf32 {shown(before).lower()} as in {path} when resuming, got {shown(now).lower()}. Repeat "
        "it, or start a new run.",
    )


def _check_shapes(model: Learner, state: dict[str, Tensor], path: Path) -> None:
    """Check that weights fit the model as they are: converted ones load, but their optimiser's state would not fit."""
    converted = match_weights(model, state, path).state
    check_weights(model, converted, path)
    require(
        all(name in state and state[name].shape == value.shape for name, value in converted.items()),
        f"Expected a checkpoint of this version to resume from, got {path}, whose weights have other shapes or names. "
        "Start again with --overwrite; the checkpoint can still be used as an original.",
    )
