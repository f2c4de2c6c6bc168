"""A Lightning trainer with two more verbs: unlearn and audit."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from unlearning_pl.audits import Audit, Embeddings, compute_audit
from unlearning_pl.audits.extract import AUDITED, extract_embeddings
from unlearning_pl.data import ForgetRequest, UnlearningData, write_manifest
from unlearning_pl.distributed.launchers import terminate_children_on_error
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.methods import FineTune, PlugIn, Unlearner
from unlearning_pl.training import checks, runs
from unlearning_pl.training.checkpoints import checkpoint_path, weights_digest
from unlearning_pl.training.resume import is_finished, resume_point
from unlearning_pl.training.run_folder import open_run_folder, write_record
from unlearning_pl.training.signals import SignalHandler
from unlearning_pl.training.stopwatch import Stopwatch
from unlearning_pl.training.trainer_defaults import trainer_arguments
from unlearning_pl.training.weights import find_weights, load_weights
from unlearning_pl.types import Split


class UnlearningTrainer(Trainer):
    """Lightning's trainer, whose runs are folders that explain themselves.

    A run folder gets the split, the last checkpoint, TensorBoard events and a record of seconds, versions and hardware;
    commands add their configuration. Everything given is checked before anything is written, and a run that fails
    before its first checkpoint leaves the folder as it was.

    Args:
        run: The run folder; without one nothing is kept.
        overwrite: Replace the run that the folder holds.
        channels_last: Keep convolutions in the memory format that is faster on most devices; never with fsdp, which
            brings the optimiser's state of such weights back in another order.
        compile: Compile the encoder with torch.compile; the gradient penalty cannot be used then.
        checkpoint_minutes: Time between checkpoints in the middle of an epoch, besides the one after each; 0 keeps one
            after every step.
        kwargs: Lightning's own arguments.
    """

    callbacks: list[Callback]
    fast_dev_run: bool
    reload_dataloaders_every_n_epochs: int
    limit_train_batches: int | float

    def __init__(
        self,
        *args: Any,
        run: str | None = None,
        overwrite: bool = False,
        channels_last: bool = True,
        compile: bool = False,
        checkpoint_minutes: float = 30.0,
        **kwargs: Any,
    ) -> None:
        require(
            checkpoint_minutes >= 0,
            f"Expected trainer.checkpoint_minutes >= 0, got {checkpoint_minutes}. Choose some minutes.",
        )
        self.run_folder = None if run is None else Path(run).expanduser()
        self.overwrite, self.channels_last, self.compile = overwrite, channels_last, compile
        self.stopwatch = Stopwatch()
        self.command = sys.argv  # what the record of a run says it was made by
        self.configuration: str | None = None  # what its config.yaml says, where a command knows
        self.provenance: dict[str, Any] = {}  # what the run begins as, and what led to that
        kwargs = trainer_arguments(self.run_folder, self.stopwatch, checkpoint_minutes, kwargs)
        super().__init__(*args, **kwargs)
        self._signal_connector = SignalHandler(self)

    @override
    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = True,
        weights: str | None = None,
    ) -> None:
        """Train a model: the original on all training data, or the retrained reference on what stays.

        Args:
            model: The learner.
            train_dataloaders: Not used; the data module feeds the streams.
            val_dataloaders: Not used.
            datamodule: The data.
            ckpt_path: Checkpoint to resume from; ``last`` for the run folder's own; ``auto`` for the same if there is
                one, while a finished run is left as it is: a command that can be repeated.
            weights_only: Load tensors only and never code.
            weights: What to begin with in place of random weights: a run folder, a checkpoint or safetensors file, or,
                for CLIP, a tag of open_clip such as ``openai``.
        """
        model, data = checks.check_types(model, datamodule)
        checks.check_fit(self, self.compile, model, data)
        if ckpt_path == "auto" and is_finished(self.run_folder, self.overwrite):
            rank_zero_info(f"The run {self.run_folder} is finished; it stays as it is.")
            return
        checkpoint = resume_point(self.run_folder, ckpt_path)
        if checkpoint is not None:
            checks.check_resume(self, self.run_folder, checkpoint, model, data)
        if weights is not None:
            path = find_weights(model, weights)
            checks.check_not_replaced(self.run_folder, path)
            self.provenance = {"weights": weights, "weights_sha256": weights_digest(path)}
            if checkpoint is None:
                load_weights(model, weights)
        self._make_ready(model, data)
        again = self.overwrite or ckpt_path == "auto"  # auto: killed before its first checkpoint, a run leaves nothing
        with open_run_folder(self.run_folder, again, checkpoint, self._writes, self.configuration) as fresh:
            if self._writes and fresh:
                write_manifest(self._folder / runs.MANIFEST, data.splits, data.ids)
            with warnings.catch_warnings(), terminate_children_on_error(self.strategy):
                # A resumed run goes on at the very step: see StreamSampler.begun.
                warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
                super().fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=weights_only)
            if self._writes:
                self._record({"train_on": data.train_on})

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
            original: The original's run folder, or a checkpoint of it. From the folder of a run that has forgotten
                before, ``forget`` comes on top, and without it that run goes on with its own images.
            method: The unlearning method; fine-tuning on the retain set when not given. A plug-in joins fine-tuning.
            plugins: Terms on top of the method's loss.
            forget: What is to be forgotten; the data module's or the original's own request when not given.
            ckpt_path: Checkpoint of this run to resume from, ``last`` or ``auto``, as in :meth:`fit`.
        """
        checks.check_not_replaced(self.run_folder, checkpoint_path(original))
        if isinstance(method, PlugIn):
            plugins, method = [method, *plugins], None
        method = method or FineTune()
        checks.check_methods(method, plugins)
        load_weights(model, original)
        runs.split_for(original, datamodule, forget)
        began = weights_digest(original)
        ancestors = [*runs.lineage(original), began]
        self.provenance = {"original": str(original), "original_sha256": began, "lineage": ancestors}
        installed: list[Callback] = [method, *plugins]
        self.callbacks[1:1] = installed  # behind the stopwatch, so that measuring counts
        try:
            self.fit(model, datamodule=datamodule, ckpt_path=ckpt_path)
        finally:
            self.callbacks = [callback for callback in self.callbacks if callback not in installed]

    def embed(
        self,
        learners: Mapping[str, Learner],
        datamodule: UnlearningData,
        views: int = 10,
        splits: Sequence[Split] = tuple(AUDITED),
    ) -> dict[str, dict[Split, Embeddings]]:
        """Collect what models say of the retain, forget and test images, each embedding once.

        Args:
            learners: The models by name.
            datamodule: The data, with a forget set.
            views: Augmented views per image of the membership attack.
            splits: What to look at.

        Returns:
            By model and split, on the process of rank 0; nothing on the others.
        """
        for learner in learners.values():
            if self.channels_last:
                learner.to(memory_format=torch.channels_last)
        return extract_embeddings(self, learners, datamodule, views, splits)

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
        found = self.embed({name: model}, datamodule, views)
        mine: Audit | InputError | None = None
        if self.is_global_zero:
            try:
                mine = compute_audit(name, found[name], seconds, [step.forget for step in datamodule.splits.steps])
            except InputError as error:  # the other processes wait for an answer
                mine = error
        audit: Any = self.strategy.broadcast(mine)
        if isinstance(audit, InputError):
            raise audit
        assert isinstance(audit, Audit)
        return audit

    @property
    @override
    def estimated_stepping_batches(self) -> int | float:
        """Steps of the whole run, also where a method's streams change from epoch to epoch.

        Lightning would make a loader to count them, before a resumed run knows which batch it has to begin with.
        """
        data: Any = getattr(self, "datamodule", None)
        ends = isinstance(data, UnlearningData) and (self.max_epochs or 0) > 0
        return checks.planned_steps(self, data) if ends else super().estimated_stepping_batches

    def _make_ready(self, model: Learner, data: UnlearningData) -> None:
        if len(data.positions("validation")) == 0:
            self.limit_val_batches = 0
        if self.channels_last and not isinstance(self.strategy, FSDPStrategy):
            model.to(memory_format=torch.channels_last)
        if self.compile:
            model.backbone.compile()

    @property
    def _folder(self) -> Path:
        assert self.run_folder is not None
        return self.run_folder

    @property
    def _writes(self) -> bool:
        """Whether this process is the one that writes into the run folder."""
        return self.run_folder is not None and self.is_global_zero and not self.fast_dev_run

    def _record(self, facts: dict[str, Any]) -> None:
        facts |= {"seconds": round(self.stopwatch.seconds, 3), "command": self.command, "processes": self.world_size}
        write_record(self._folder, facts | {"epochs": self.current_epoch, "steps": self.global_step} | self.provenance)
