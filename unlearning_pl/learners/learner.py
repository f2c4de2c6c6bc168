"""Base class of the model families: what trainers, methods and audits call.

Letters: B rows of a batch, D width of the features, E of the embeddings that the loss compares, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim import SGD
from typing_extensions import override

from unlearning_pl.data.seeds import effective_seed, isolated_rng, run_seed
from unlearning_pl.deprecated.old_attributes import RenamedAttributes, auxiliary_state
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.learners.epoch_terms import EpochTerms
from unlearning_pl.learners.held_out_means import HeldOutMeans
from unlearning_pl.learners.image_check import check_images
from unlearning_pl.learners.loss_terms import log_epoch_terms, log_term
from unlearning_pl.learners.non_finite_guard import NonFiniteGuard
from unlearning_pl.learners.optimized_module import OptimizedModule
from unlearning_pl.types import Batch, Pixels, Sample, concat_streams

Objective = Callable[["Learner", Batch], Tensor]


def mean_loss(learner: "Learner", batch: Batch) -> Tensor:
    """Mean loss over all rows of a batch: the objective of pretraining, retraining and fine-tuning."""
    sample, _ = concat_streams(batch)
    return learner.losses(learner.outputs(sample), sample).mean()


class Learner(RenamedAttributes, OptimizedModule, ABC):
    """Base class of learners: an encoder with its training loss, whose objective an unlearning method can replace.

    ``training_step`` calls ``self.objective(self, batch)``, which is :func:`mean_loss` until an unlearning method
    installs another one. A model family overrides the short methods below and nothing else.

    Args:
        backbone: The image encoder, ``(B, 3, H, W)`` to ``(B, D)``.
        feature_dim: D.
        pixels: Channel statistics that normalise its images; None for those of the data source.

    Attributes:
        num_views: Number of augmented views of an image that its loss needs.
        knows_classes: Whether it returns class scores.
        compares_rows: Whether its loss compares the rows of a batch, so that its value depends on their number.
        independent_rows: Whether, in evaluation mode, its outputs are tensors with a row for each sample that does not
            depend on the others, so that they may be computed in parts.
        borrows_targets: Whether :meth:`corrupt_targets` takes targets of ``partners``.
        supports_fsdp: Whether its weights can be sharded over processes (FSDP).
        optional_weights: Names of weights that a file of another tool may lack: they keep their initial values.
        context_length: Length in tokens of the captions that it reads; None if it reads no text.
        pixels: Channel statistics that normalise its images; None for those of the data source.
    """

    num_views: ClassVar[int] = 2
    knows_classes: ClassVar[bool] = False
    compares_rows: ClassVar[bool] = False
    independent_rows: ClassVar[bool] = False
    borrows_targets: ClassVar[bool] = False
    supports_fsdp: ClassVar[bool] = True
    optional_weights: ClassVar[tuple[str, ...]] = ()
    context_length: int | None = None
    pixels: Pixels | None
    auxiliary_modules: nn.ModuleDict

    def __init__(self, backbone: nn.Module, feature_dim: int, pixels: Pixels | None = None) -> None:
        super().__init__()
        self.backbone, self.feature_dim, self.pixels = backbone, feature_dim, pixels
        self.objective: Objective = mean_loss
        self.auxiliary_modules = nn.ModuleDict()  # added by a method for training; saved apart from the model
        self._non_finite_guard, self._held_out, self.epoch_terms = NonFiniteGuard(), HeldOutMeans(), EpochTerms()
        self.optimize_with(lambda parameters: SGD(parameters, lr=0.06, momentum=0.9, weight_decay=5e-4), "cosine")

    def features(self, x: Tensor) -> Tensor:
        """Encoder output ``(B, D)`` of images ``(B, 3, H, W)``: the features for downstream tasks and audits."""
        features: Tensor = self.backbone(x)
        return features

    def project(self, features: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` of features ``(B, D)``, which the loss compares; without a head, the features."""
        return features

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` by the online network, which the training loss compares, of images ``(B, 3, H, W)``."""
        return self.project(self.features(x))

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` of captions, tokens ``(B, L)``; raises NotImplementedError if it reads no text."""
        raise NotImplementedError(f"{type(self).__name__} reads no text")

    def weights(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename weights that come from another code base, after its key map, to this learner's parameter names."""
        return dict(state)

    def pretrained_path(self, name: str) -> str | None:
        """Path of the published weights of that name, downloaded if necessary; None if there are none."""
        return None

    @abstractmethod
    def outputs(self, sample: Sample) -> Any:
        """Compute everything that the loss needs in one pass; samples are on the second-to-last axis."""

    @abstractmethod
    def logits(self, outputs: Any) -> Tensor:
        """Scores for distillation: ``(B, K)`` over classes, or over the candidates of the batch, ``(B, B)``."""

    @abstractmethod
    def losses(self, outputs: Any, sample: Sample) -> Tensor:
        """Per-sample training loss, ``(B,)``."""

    @abstractmethod
    def corrupt_targets(self, sample: Sample, partners: Sample | None = None) -> Sample:
        """Corrupt the targets of the same images: random other labels, or those of the rows of ``partners``."""

    @abstractmethod
    def swap_positives(self, outputs: Any, sample: Sample, partner: Tensor) -> tuple[Any, Sample]:
        """Pair each row i with the positive (or the label) of row ``partner[i]``; ``partner`` is ``(B,)`` int64.

        Where negatives are the batch, the sample names the lenders: an own pair is no negative in :meth:`losses`.
        """

    @abstractmethod
    def alignment(self, outputs: Any, sample: Sample) -> Tensor:
        """Alignment of each sample with its positive, ``(B,)``: cosine similarity, or probability of the label."""

    def check(self, images: Tensor, classes: int) -> None:
        """Check that the encoder accepts images ``(B, 3, H, W)``, and the learner the number of classes.

        Raises:
            InputError: If the learner cannot be trained on such data.
        """
        check_images(self, images)

    def classify(self, features: Tensor) -> Tensor | None:
        """Class scores ``(B, K)`` of features ``(B, D)``; None for a learner without classes."""
        return None

    def class_scores(self, x: Tensor) -> Tensor | None:
        """Class scores ``(B, K)`` of images ``(B, 3, H, W)``; None, without a pass, for a learner without classes."""
        return self.classify(self.features(x)) if self.knows_classes else None

    def on_unlearn_start(self, retained: Iterator[Sample]) -> None:
        """Replace what the learner holds of single training images, once a run, in evaluation mode.

        ``retained`` are batches of retained samples without end, in new views each time, the same on every process.
        """

    @override
    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.epoch_terms = EpochTerms()  # those of a run that failed are not this one's

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["planned"] = self.plan(self.trainer)
        checkpoint["epoch_terms"] = self.epoch_terms.state()
        own = [name for name in checkpoint["state_dict"] if name.startswith("auxiliary_modules.")]
        checkpoint["auxiliary_modules"] = {name: checkpoint["state_dict"].pop(name) for name in own}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.epoch_terms.load(checkpoint.get("epoch_terms", {}))
        if "state_dict" not in checkpoint:  # FSDP has already loaded it
            return
        wanted, auxiliary = self.state_dict(), auxiliary_state(checkpoint)
        checkpoint["state_dict"] |= {name: auxiliary[name] for name in auxiliary if name in wanted}

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # 0 logs epochs only
        if batch_idx and every and batch_idx % every == 0:
            self.check_finite()  # at every step it would synchronise with the device
        loss = self.objective(self, batch)
        index = [sample.index for sample in batch.values()]
        self._non_finite_guard.update(loss, index)
        log_term(self, "loss", loss, sum(map(len, index)), prog_bar=True)
        if self.trainer.is_last_batch:
            log_epoch_terms(self, self.epoch_terms)
        return loss

    @override
    def on_train_epoch_start(self) -> None:
        self._non_finite_guard = NonFiniteGuard()

    @override
    def on_train_epoch_end(self) -> None:
        log_epoch_terms(self, self.epoch_terms)  # of an epoch that max_steps ended
        # For its progress bar rank 0 reduces the epoch's metrics, a collective that the other ranks must join.
        _ = self.trainer.callback_metrics
        self.check_finite()

    def check_finite(self) -> None:
        """Stop the run on all processes if a loss of this epoch or a weight is not finite on any of them.

        Raises:
            DivergedError: With the images of the first batch whose loss was not finite.
        """
        data = getattr(self.trainer, "datamodule", None)
        self._non_finite_guard.check(self.parameters(), str(self.current_epoch), [] if data is None else data.ids)

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        with self._evaluation_rng(batch_idx):
            self.evaluate(batch)

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> None:
        with self._evaluation_rng(batch_idx):
            self.evaluate(batch)

    def _evaluation_rng(self, batch_idx: int) -> AbstractContextManager[None]:
        """What a loss draws follows from the seed and the place of the batch, whichever process evaluates it."""
        place = batch_idx * self.trainer.world_size + self.trainer.global_rank
        return isolated_rng(self.device, run_seed(effective_seed(self.trainer), "evaluate step", place))

    def evaluate(self, sample: Sample) -> None:
        """Add the :meth:`metrics` of a batch of held-out samples."""
        with single_process():  # each process evaluates whole batches, the same ones as a single process
            self._held_out.add(self.metrics(self.outputs(sample), sample), sample.index)

    @override
    def on_validation_epoch_end(self) -> None:
        self._log_held_out("validation")

    @override
    def on_test_epoch_end(self) -> None:
        self._log_held_out("test")

    def _log_held_out(self, split: str) -> None:
        means = {f"{split}/{name}": value for name, value in self._held_out.take().items()}
        self.log_dict(means, prog_bar=True, sync_dist=True)
        rows = getattr(getattr(self.trainer, "datamodule", None), "eval_batch_size", None)
        if self.compares_rows and rows is not None and self.trainer.state.fn != "fit":
            rank_zero_info(f"{split}/loss compares the images of a batch, at most {rows} (data.eval_batch_size).")

    def metrics(self, outputs: Any, sample: Sample) -> dict[str, Tensor]:
        """Batch means by name, for validation and test."""
        return {"loss": self.losses(outputs, sample).mean()}

    @override
    def predict_step(self, batch: Sample, batch_idx: int) -> tuple[Tensor, Tensor]:
        return batch.index, self.features(batch.views[0])
