"""Lightning trainer with run folders and the methods ``unlearn``, ``embed`` and ``audit``."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from unlearning_pl.audits import Audit, Embeddings, compute_audit
from unlearning_pl.audits.extract import AUDITED, extract_embeddings
from unlearning_pl.data import ForgetRequest, UnlearningData, write_manifest
from unlearning_pl.data.seeds import isolated_rng
from unlearning_pl.distributed.launchers import terminate_children_on_error
from unlearning_pl.learners import Learner
from unlearning_pl.methods import FineTune, PlugIn, Unlearner
from unlearning_pl.report.trackers import open_trackers
from unlearning_pl.training import checks, runs
from unlearning_pl.training.background_checkpoint_io import finished_writes
from unlearning_pl.training.checkpoint_files import checkpoint_path, weights_digest
from unlearning_pl.training.compilation import CompileMode, compile_callbacks
from unlearning_pl.training.component_errors import explain_component_errors
from unlearning_pl.training.cuda_precision import cuda_precision
from unlearning_pl.training.emulated_bfloat16 import announce_emulated_bfloat16
from unlearning_pl.training.held_out_stop import held_out_stop
from unlearning_pl.training.prepare_model import load_initial_weights, prepare_model
from unlearning_pl.training.rank_zero_result import rank_zero_result
from unlearning_pl.training.resume import is_finished, resume_point
from unlearning_pl.training.resume_checks import check_resume
from unlearning_pl.training.run_facts import run_facts
from unlearning_pl.training.run_folder import open_run_folder, write_record
from unlearning_pl.training.run_lock import lock_folder
from unlearning_pl.training.signals import SignalHandler
from unlearning_pl.training.stopwatch import Stopwatch
from unlearning_pl.training.trainer_defaults import trainer_arguments
from unlearning_pl.training.weights import load_weights
from unlearning_pl.types import Split


class UnlearningTrainer(Trainer):
    """Lightning's trainer, which saves each run to a self-contained folder.

    The trainer writes the split, the last checkpoint, TensorBoard events and a record of seconds, versions and hardware
    to the run folder; commands add their configuration. It checks all arguments before it writes anything, and a run
    that fails before its first checkpoint restores the previous content of the folder.

    Args:
        run: The run folder; without one nothing is saved.
        overwrite: Replace the run that the folder holds.
        channels_last: Use the channels-last memory format, usually faster for convolutions; ignored with fsdp, which
            restores the optimiser's state of such weights in another order.
        compile: Compile encoders, heads and views for training steps; ``graphs``: as CUDA graphs (docs/performance.md).
        tf32: Use TF32 for float32 products and convolutions on CUDA; false computes them in full precision.
        checkpoint_minutes: Time between checkpoints within an epoch, besides those after epochs; 0 saves at every step.
        seed: Seed of all that is drawn, a function of it and of a place in the run; without one Lightning's, else 0.
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
        compile: CompileMode = False,
        tf32: bool = True,
        checkpoint_minutes: float = 30.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.run_folder = None if run is None else Path(run).expanduser()
        self.overwrite, self.channels_last, self.compile, self.seed = overwrite, channels_last, compile, seed
        self.stopwatch, self.tf32, self.command = Stopwatch(), tf32, sys.argv  # the command of the record, run.json
        self.configuration: str | None = None  # content of config.yaml, set by the commands
        self.provenance: dict[str, Any] = {}  # weights that the run starts from, and their ancestors
        first = [self.stopwatch, *compile_callbacks(compile)]
        kwargs = trainer_arguments(self.run_folder, first, checkpoint_minutes, kwargs)
        super().__init__(*args, **kwargs)  # jsonargparse reads this line for the options of Lightning's trainer
        self._signal_connector = SignalHandler(self)
        announce_emulated_bfloat16(self.strategy.root_device, self.precision)

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
        """Train a model: the original on all training data, or the retrained reference on the retain set.

        The global random state stays as it was.

        Args:
            model: The learner.
            train_dataloaders: Not used; the data module feeds the streams.
            val_dataloaders: Not used.
            datamodule: The data.
            ckpt_path: Checkpoint to resume from; ``last`` for the run folder's own; ``auto`` for the same if it exists,
                while a finished run is left unchanged, so that the same command can be repeated.
            weights_only: Load tensors only and never code.
            weights: Initial weights in place of random ones: a run folder, a checkpoint or safetensors file, or, for
                CLIP, a tag of open_clip such as ``openai``.
        """
        model, data = checks.check_types(model, datamodule)
        lock = lock_folder(self.run_folder if self._writes else None)
        with lock, explain_component_errors(), isolated_rng(self.strategy.root_device):
            self._fit(model, data, ckpt_path, weights_only, weights)
        self.strategy.barrier("the run is recorded")

    def _fit(
        self,
        model: Learner,
        data: UnlearningData,
        ckpt_path: str | Path | None,
        weights_only: bool | None,
        weights: str | None,
    ) -> None:
        checks.check_fit(self, self.compile, model, data)
        if ckpt_path == "auto" and is_finished(self.run_folder, self.overwrite):
            rank_zero_info(f"The run {self.run_folder} is finished and is left unchanged.")
            return
        checkpoint = resume_point(self.run_folder, ckpt_path)
        if checkpoint is not None:
            check_resume(self, self.run_folder, checkpoint, model, data)
        if weights is not None:
            self.provenance = load_initial_weights(self.run_folder, model, weights, resumed=checkpoint is not None)
        prepare_model(self, self.channels_last, model, data)
        overwrite = self.overwrite or ckpt_path == "auto"  # auto replaces a run killed before its first checkpoint
        with open_run_folder(self.run_folder, overwrite, checkpoint, self._writes, self.configuration) as is_new:
            open_trackers(self.loggers)  # after the checks of the folder, so that no run there stays empty
            if self.run_folder is not None and self._writes and is_new:
                write_manifest(self.run_folder / runs.MANIFEST, data.splits, data.ids)
            with warnings.catch_warnings(), terminate_children_on_error(self.strategy):
                # A run resumes at the exact step of the checkpoint: see StreamSampler.resume_position.
                warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
                super().fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=weights_only)
            if self.run_folder is not None and self._writes:
                write_record(self.run_folder, {"train_on": data.train_on} | run_facts(self))

    def unlearn(
        self,
        model: Learner,
        datamodule: UnlearningData,
        original: str,
        method: Unlearner | None = None,
        plugins: Sequence[PlugIn] = (),
        forget: ForgetRequest = ForgetRequest(),  # noqa: B008  it is frozen
        ckpt_path: str | None = None,
        stop: Literal["held_out"] | None = None,
        stop_every: int | None = None,
    ) -> None:
        """Make a trained model forget: load the original, install a method, train.

        Args:
            model: A learner of the original's architecture.
            datamodule: The original's data.
            original: The original's run folder, or a checkpoint of it. If the run in the folder has forgotten images,
                ``forget`` adds to them, and without ``forget`` unlearning continues with that run's own request.
            method: The unlearning method, by default fine-tuning on the retain set; a plug-in is added to fine-tuning.
            plugins: Terms added to the method's loss.
            forget: The forget request; the data module's or the original's own request if not given.
            ckpt_path: Checkpoint of this run to resume from, ``last`` or ``auto``, as in :meth:`fit`.
            stop: ``held_out`` ends the run when forget images are told apart from held-out ones no more, and keeps the
                best step, see :class:`~unlearning_pl.training.held_out_stop.HeldOutStop`; None takes all steps.
            stop_every: Steps between two comparisons of ``stop``; after each epoch by default.
        """
        checks.check_not_replaced(self.run_folder, checkpoint_path(original))
        if isinstance(method, PlugIn):
            plugins, method = [method, *plugins], None
        method = method or FineTune()
        checks.check_methods(method, plugins)
        load_weights(model, original)
        runs.apply_forget_request(original, datamodule, forget)
        digest, lineage = weights_digest(original), runs.lineage(original)
        self.provenance = {"original": str(original), "original_sha256": digest, "lineage": [*lineage, digest]}
        installed: list[Callback] = [method, *plugins, *held_out_stop(stop, stop_every, method)]
        self.callbacks[1:1] = installed  # after the stopwatch, which thus includes the time of the methods' `measure`
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
        probe_views: int = 0,
    ) -> dict[str, dict[Split, Embeddings]]:
        """Extract what an audit needs of each image: embeddings by model and split on rank 0, none on other ranks.

        Args:
            learners: The models by name.
            datamodule: The data, with a forget set.
            views: Augmented views per image for the membership attack.
            splits: Splits to embed.
            probe_views: Views of each retain image for MUC's linear probe; 0 for a logistic regression.
        """
        for learner in learners.values() if self.channels_last else ():
            learner.to(memory_format=torch.channels_last)
        return extract_embeddings(self, learners, datamodule, views, splits, probe_views)

    def audit(
        self, model: Learner, datamodule: UnlearningData, name: str, seconds: float | None = None, views: int = 10
    ) -> Audit:
        """Audit a model on the retain, forget and test images; every rank returns the audit.

        Args:
            model: The learner.
            datamodule: The data, with a forget set.
            name: Name of the model in tables.
            seconds: Training time, if known.
            views: Augmented views per image for the membership attack.
        """
        embeddings = self.embed({name: model}, datamodule, views)
        steps = [step.forget for step in datamodule.splits.steps]
        return rank_zero_result(self.strategy, lambda: compute_audit(name, embeddings[name], seconds, steps))

    @override
    def _run(self, *args: Any, **kwargs: Any) -> Any:
        with finished_writes(self), cuda_precision(self.strategy.root_device, self.tf32):
            return super()._run(*args, **kwargs)

    @property
    @override
    def estimated_stepping_batches(self) -> int | float:
        """Steps of a run whose streams may change; Lightning makes a loader, before a resumed run has its batch."""
        data: Any = getattr(self, "datamodule", None)
        if isinstance(data, UnlearningData) and (self.max_epochs or 0) > 0:
            return checks.planned_steps(self, self.lightning_module, data)
        return super().estimated_stepping_batches

    @property
    def _writes(self) -> bool:
        """Whether this process writes to the run folder."""
        return self.run_folder is not None and self.is_global_zero and not self.fast_dev_run
