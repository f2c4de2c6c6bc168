"""The contract between a model family and everything that trains, unlearns or audits it.

Letters: B rows of a batch, D width of the features, E of the embeddings that the loss compares, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from typing_extensions import override

from unlearning_pl.deprecated import RenamedAttributes
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import InputError
from unlearning_pl.learners.held_out_means import HeldOutMeans
from unlearning_pl.learners.loss_terms import log_term
from unlearning_pl.learners.lr_schedule import Schedule, scheduler
from unlearning_pl.learners.non_finite_guard import NonFiniteGuard
from unlearning_pl.types import Batch, Pixels, Sample, concat_streams

Objective = Callable[["Learner", Batch], Tensor]
OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


def mean_loss(learner: "Learner", batch: Batch) -> Tensor:
    """The mean loss over all rows fed: pretraining, retraining and fine-tuning alike."""
    sample, _ = concat_streams(batch)
    return learner.losses(learner.outputs(sample), sample).mean()


class Learner(RenamedAttributes, LightningModule, ABC):
    """An encoder with its training loss, whose objective can be replaced.

    ``training_step`` calls ``self.objective(self, batch)``, which is :func:`mean_loss` until an unlearning method
    installs another one. A model family writes the short methods below and nothing else.

    Args:
        backbone: The image encoder, ``(B, 3, H, W)`` to ``(B, D)``.
        feature_dim: D.

    Attributes:
        num_views: Augmented copies of an image that its loss needs.
        knows_classes: Whether it gives scores of classes.
        supports_fsdp: Whether its weights can be spread over processes (FSDP).
        context_length: Tokens of a caption that it reads; None where it reads no text.
        pixels: How it wants images normalised; None for the source's channel statistics.
    """

    num_views: ClassVar[int] = 2
    knows_classes: ClassVar[bool] = False
    supports_fsdp: ClassVar[bool] = True
    context_length: int | None = None
    pixels: Pixels | None = None

    def __init__(self, backbone: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.backbone, self.feature_dim = backbone, feature_dim
        self.objective: Objective = mean_loss
        self.auxiliary_modules = nn.ModuleDict()  # what a method needs while it trains, and takes away again
        self._soundness, self._held_out = NonFiniteGuard(), HeldOutMeans()
        self.optimize_with(lambda parameters: SGD(parameters, lr=0.06, momentum=0.9, weight_decay=5e-4), "cosine")

    def features(self, x: Tensor) -> Tensor:
        """Encoder output ``(B, D)`` of images ``(B, 3, H, W)``: what is used downstream and audited."""
        features: Tensor = self.backbone(x)
        return features

    def project(self, features: Tensor) -> Tensor:
        """What the training loss compares, ``(B, E)``, from features ``(B, D)``; these unless there is a head."""
        return features

    def embed(self, x: Tensor) -> Tensor:
        """What the training loss compares, of the online network, ``(B, E)``, for images ``(B, 3, H, W)``."""
        return self.project(self.features(x))

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` of captions, tokens ``(B, L)``, in the space of :meth:`embed`.

        Raises:
            NotImplementedError: If the learner reads no text.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no text")

    def weights(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights by the names of this learner, where they may come from elsewhere."""
        return dict(state)

    def published(self, name: str) -> str | None:
        """File of published weights of that name, fetched where there is a network; None where there are none."""
        return None

    @abstractmethod
    def outputs(self, sample: Sample) -> Any:
        """Everything that the loss needs, in one pass; rows are on the last but one axis."""

    @abstractmethod
    def logits(self, outputs: Any) -> Tensor:
        """Scores over what a row is told from, for distillation: ``(B, K)`` classes or ``(B, B)`` rows of the batch."""

    @abstractmethod
    def losses(self, outputs: Any, sample: Sample) -> Tensor:
        """The training loss of each sample, ``(B,)``."""

    @abstractmethod
    def corrupt_targets(self, sample: Sample) -> Sample:
        """The same images with what was learned about them broken: random other labels, or mismatched pairs."""

    @abstractmethod
    def swap_positives(self, outputs: Any, sample: Sample, partner: Tensor) -> tuple[Any, Sample]:
        """Pair each row with the positive (or the label) of row ``partner[i]``; ``partner`` is ``(B,)`` int64."""

    @abstractmethod
    def alignment(self, outputs: Any, sample: Sample) -> Tensor:
        """How close each sample is to its positive: cosine, or probability of the label; ``(B,)``."""

    def check(self, images: Tensor, classes: int) -> None:
        """Refuse images that the encoder cannot take, ``(B, 3, H, W)``, or more classes than the learner knows.

        Raises:
            InputError: If it cannot be trained on such data.
        """
        training = self.training
        try:
            with torch.no_grad():
                self.eval().embed(images.to(self.device))
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            size = "x".join(map(str, images.shape[2:]))
            raise InputError(
                f"Expected images that the backbone can take, got {size} pixels ({str(error).splitlines()[0]}). "
                "Choose another image_size or backbone."
            ) from error
        finally:
            self.train(training)

    def classify(self, features: Tensor) -> Tensor | None:
        """Scores of classes ``(B, K)`` from features ``(B, D)``; None where the learner knows no classes."""
        return None

    def class_scores(self, x: Tensor) -> Tensor | None:
        """The same for images ``(B, 3, H, W)``; None, without a pass, where the learner knows no classes."""
        return self.classify(self.features(x)) if self.knows_classes else None

    def optimize_with(self, optimizer: OptimizerFactory, schedule: Schedule = "constant") -> None:
        """Choose the optimiser and the course of its learning rate over the whole run, step by step.

        Args:
            optimizer: Makes an optimiser of the parameters, for instance ``partial(SGD, lr=0.1)``.
            schedule: ``constant``; ``cosine`` down to zero; ``one_cycle`` up to the optimiser's rate and down.

        Raises:
            InputError: If the optimiser refuses its settings.
        """
        try:
            optimizer([torch.zeros(1, requires_grad=True)])
        except (ValueError, TypeError) as error:
            raise InputError(f"Expected settings that the optimizer takes, got: {error}. Correct them.") from error
        self._optimizer, self.schedule = optimizer, schedule

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = self._optimizer(p for p in self.parameters() if p.requires_grad)
        course = scheduler(optimizer, self.schedule, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": course, "interval": "step", "name": "lr"}}

    def plan(self, trainer: Trainer) -> dict[str, str | float | None]:
        """What the course of the learning rate depends on, which a resumed run must follow."""
        ends = {"schedule": self.schedule, "epochs": trainer.max_epochs, "steps": trainer.max_steps}
        return ends | {name: getattr(trainer, name) for name in ("limit_train_batches", "accumulate_grad_batches")}

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["planned"] = self.plan(self.trainer)
        # Auxiliary modules are needed to resume, and are no part of the model.
        state = checkpoint["state_dict"]
        auxiliary = [name for name in state if name.startswith("auxiliary_modules.")]
        checkpoint["auxiliary_modules"] = {name: state.pop(name) for name in auxiliary}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if "state_dict" not in checkpoint:  # FSDP has loaded it already
            return
        wanted = self.state_dict()
        auxiliary = checkpoint.get("auxiliary_modules")
        if auxiliary is None:  # of version 0.1
            scaffold = checkpoint.get("scaffold", {})
            auxiliary = {name.replace("scaffold", "auxiliary_modules", 1): value for name, value in scaffold.items()}
        checkpoint["state_dict"] |= {name: value for name, value in auxiliary.items() if name in wanted}

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # 0 logs epochs alone
        if batch_idx and every and batch_idx % every == 0:
            self.check_finite()  # not at every step, which would make the device wait
        loss = self.objective(self, batch)
        index = torch.cat([sample.index for sample in batch.values()])
        self._soundness.note(loss, index)
        log_term(self, "loss", loss, len(index), prog_bar=True)
        return loss

    @override
    def on_train_epoch_start(self) -> None:
        self._soundness = NonFiniteGuard()

    @override
    def on_train_epoch_end(self) -> None:
        # Rank 0 sums the epoch's metrics for its progress bar, and waits for the other processes to do so as well.
        _ = self.trainer.callback_metrics
        self.check_finite()

    def check_finite(self) -> None:
        """Stop the run, on all processes alike, if a loss of this epoch or a weight is not finite on any.

        Raises:
            DivergedError: It names the images of the first batch whose loss was not finite.
        """
        data = getattr(self.trainer, "datamodule", None)
        self._soundness.check(self.parameters(), str(self.current_epoch), [] if data is None else data.ids)

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        self.evaluate(batch)

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> None:
        self.evaluate(batch)

    def evaluate(self, sample: Sample) -> None:
        """Take in what :meth:`metrics` says of a batch of held-out samples."""
        with single_process():  # whole batches are dealt out to the processes: each is what one process would have seen
            self._held_out.add(self.metrics(self.outputs(sample), sample), sample.index)

    @override
    def on_validation_epoch_end(self) -> None:
        self._log_held_out("validation")

    @override
    def on_test_epoch_end(self) -> None:
        self._log_held_out("test")

    def _log_held_out(self, split: str) -> None:
        named = {f"{split}/{name}": value for name, value in self._held_out.take().items()}
        self.log_dict(named, prog_bar=True, sync_dist=True)

    def metrics(self, outputs: Any, sample: Sample) -> dict[str, Tensor]:
        """Batch means by name, for validation and test."""
        return {"loss": self.losses(outputs, sample).mean()}

    @override
    def predict_step(self, batch: Sample, batch_idx: int) -> tuple[Tensor, Tensor]:
        return batch.index, self.features(batch.views[0])
