"""A Lightning trainer with two more verbs: unlearn and audit."""

import os
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, Timer
from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

from unlearning_pl import runs
from unlearning_pl.audits import Audit, judge
from unlearning_pl.audits.collect import collect
from unlearning_pl.data import ForgetRequest, UnlearningData, write_manifest
from unlearning_pl.errors import InputError, require
from unlearning_pl.files import write_json
from unlearning_pl.learners import Learner
from unlearning_pl.methods import FineTune, PlugIn, Unlearner


class UnlearningTrainer(Trainer):
    """Lightning's trainer, whose runs are folders that explain themselves.

    A run folder gets the split, the last checkpoint, TensorBoard events and a record of seconds, versions and hardware;
    commands add their configuration.

    Args:
        run: The run folder; without one nothing is kept.
        overwrite: Replace the run that the folder holds.
        channels_last: Keep convolutions in the memory format that is faster on most devices.
        compile: Compile the encoder with torch.compile; the gradient penalty cannot be used then.
        kwargs: Lightning's own arguments.
    """

    callbacks: list[Callback]

    def __init__(
        self,
        *args: Any,
        run: str | None = None,
        overwrite: bool = False,
        channels_last: bool = True,
        compile: bool = False,
        **kwargs: Any,
    ) -> None:
        self.run_folder = None if run is None else Path(run)
        self.overwrite, self.channels_last, self.compile = overwrite, channels_last, compile
        self.timer = Timer(verbose=False)
        kwargs["callbacks"] = [self.timer, *_listed(kwargs.get("callbacks"))]
        if kwargs.get("logger") in (None, True):
            kwargs["logger"] = False if run is None else TensorBoardLogger(run, name="", version="")
        if kwargs["logger"]:
            kwargs["callbacks"].append(LearningRateMonitor("epoch"))
        keep = run is not None and kwargs.get("enable_checkpointing") in (None, True)
        kwargs["enable_checkpointing"] = keep
        if keep and not any(isinstance(callback, ModelCheckpoint) for callback in kwargs["callbacks"]):
            kwargs["callbacks"].append(_last_checkpoint(run))
        super().__init__(*args, **kwargs)

    @override
    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = True,
    ) -> None:
        """Train a model: the original on all training data, or the retrained reference on what stays.

        Args:
            model: The learner.
            train_dataloaders: Not used; the data module feeds the streams.
            val_dataloaders: Not used.
            datamodule: The data.
            ckpt_path: Checkpoint to resume from, or ``last`` for the run folder's own.
            weights_only: Load tensors only and never code.
        """
        if not isinstance(model, Learner) or not isinstance(datamodule, UnlearningData):
            raise TypeError(
                f"Expected a Learner and datamodule=UnlearningData(...), got {type(model).__name__} and "
                f"{type(datamodule).__name__}. Wrap the model, and pass the data as a data module."
            )
        datamodule.setup("fit")
        ckpt_path = self._resumable(ckpt_path)
        if len(datamodule.positions("validation")) == 0:
            self.limit_val_batches = 0
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.compile:
            model.backbone.compile()
        self._check_streams(datamodule)
        # Everything that was given has been found good: only now is anything written.
        kept = None if self.fast_dev_run else self.run_folder  # type: ignore[attr-defined]
        if kept is not None:
            self._open(kept, datamodule, resumed=ckpt_path is not None)
        with warnings.catch_warnings():
            # A resumed run goes on in its own folder.
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
            super().fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=weights_only)
        if kept is not None:
            self._close(kept)

    def unlearn(
        self,
        model: Learner,
        datamodule: UnlearningData,
        original: str,
        method: Unlearner | None = None,
        plugins: Sequence[PlugIn] = (),
        forget: ForgetRequest = ForgetRequest(),  # noqa: B008  it is frozen
        ckpt_path: str | None = None,
    ) -> None:
        """Make a trained model forget: load the original, install a method, train.

        Args:
            model: A learner of the original's architecture.
            datamodule: The original's data.
            original: The original's run folder, or a checkpoint of it.
            method: The unlearning method; fine-tuning on the retain set when not given.
            plugins: Terms on top of the method's loss.
            forget: What is to be forgotten; the data module's or the original's own request when not given.
            ckpt_path: Checkpoint of this run to resume from, or ``last``.
        """
        runs.load_weights(model, original)
        asked = next((request for request in (forget, datamodule.forget) if request.given()), None)
        manifest = Path(original) / runs.MANIFEST
        if manifest.is_file():
            datamodule.adopt(manifest, asked)
        elif asked is not None:
            datamodule.request(asked)
        require(
            len(datamodule.positions("forget")) > 0,
            "Expected a forget request, got none. Say what to forget, for instance --forget.fraction 0.1.",
        )
        installed: list[Callback] = [method or FineTune(), *plugins]
        self.callbacks[1:1] = installed  # behind the timer, so that measuring counts
        try:
            self.fit(model, datamodule=datamodule, ckpt_path=ckpt_path)
        finally:
            self.callbacks = [callback for callback in self.callbacks if callback not in installed]

    def audit(
        self, model: Learner, datamodule: UnlearningData, name: str, seconds: float | None = None, views: int = 10
    ) -> Audit:
        """Measure a model on the retain, forget and test images.

        Args:
            model: The learner.
            datamodule: The data, with a forget set.
            name: What to call the model in tables.
            seconds: Training time, where known.
            views: Augmented views per image of the membership attack.
        """
        return judge(name, collect(self, model, datamodule, views), seconds)

    def _resumable(self, ckpt_path: str | Path | None) -> str | None:
        if ckpt_path is None:
            return None
        require(
            ckpt_path != "last" or self.run_folder is not None,
            "Expected --run with ckpt_path = last, got none. Add it.",
        )
        path = runs.weights_path(self.run_folder if ckpt_path == "last" and self.run_folder else ckpt_path)
        runs.read_checkpoint(path)
        return str(path)

    def _check_streams(self, data: UnlearningData) -> None:
        fed = data.streams(0)
        for callback in self.callbacks:
            if isinstance(callback, PlugIn):
                callback.check(fed)
            elif isinstance(callback, Unlearner):
                fed = callback.streams(0)
        data.rows(fed, self.world_size)

    def _open(self, folder: Path, data: UnlearningData, resumed: bool) -> None:
        manifest = folder / runs.MANIFEST
        if resumed and manifest.is_file():
            asked = data.positions("forget")
            data.adopt(manifest)
            require(
                torch.equal(asked, data.positions("forget")),
                f"Expected the forget request of {manifest} when resuming, got another one. "
                "Repeat it, or start a new run.",
            )
        elif self.is_global_zero:
            runs.clear(folder, self.overwrite)
            write_manifest(manifest, data.splits, data.ids)
        self.strategy.barrier()

    def _close(self, folder: Path) -> None:
        self.save_checkpoint(folder / runs.WEIGHTS, weights_only=False)
        if self.is_global_zero:
            record = {
                "seconds": round(self.timer.time_elapsed("train"), 3),
                "epochs": self.current_epoch,
                "steps": self.global_step,
                "processes": self.world_size,
                "seed": int(os.environ.get("PL_GLOBAL_SEED", "0")),
                "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "command": sys.argv,
                **runs.environment(),
            }
            write_json(folder / runs.RECORD, record)


def _last_checkpoint(run: str | None) -> ModelCheckpoint:
    """Keep the state after the last whole epoch, as checkpoints/last.ckpt."""
    path = Path(str(run), runs.WEIGHTS)
    # Without a version counter a resumed run replaces the file that it started from.
    return ModelCheckpoint(path.parent, filename=path.stem, enable_version_counter=False)


def _listed(callbacks: Any) -> list[Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback):
        return [callbacks]
    if isinstance(callbacks, list):
        return list(callbacks)
    raise InputError(f"Expected a list of callbacks, got {type(callbacks).__name__}. Pass callbacks=[...].")
