"""White-box attack: images that a model was trained on have small gradients of their loss.

Letters: B rows of a batch, N images.

References:
    [1] Nasr et al., Comprehensive Privacy Analysis of Deep Learning, S&P 2019, arXiv 1812.00910
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils._pytree import tree_map
from typing_extensions import override

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.membership import roc_intervals
from unlearning_pl.audits.sample_losses import has_rows, needed_views
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.loaders import PositionLoader, Rows
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import isolated_rng
from unlearning_pl.data.streams import even_rows
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.evaluation.relearning import alone
from unlearning_pl.functional.gradients import weight_gradient_norms
from unlearning_pl.functional.roc import membership_auc
from unlearning_pl.learners import Learner
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.types import Sample, Split

_log = logging.getLogger(__name__)


def own_losses(learner: Learner, sample: Sample) -> Iterator[Tensor]:
    """Loss of each row, one after another, as a function of the weights through the outputs of this row alone.

    The outputs of the other rows, which a contrastive loss compares with, are constants: what they would add to the
    gradient is of other images. A row thus takes a pass of one image, where the batch of all rows would take B; those
    of a learner whose outputs are of another form do.

    Args:
        learner: The model, in evaluation mode.
        sample: ``(B,)`` rows.

    Yields:
        B scalars, attached to the graph.
    """
    with torch.no_grad():
        fixed = learner.outputs(sample)
    if not has_rows(fixed):
        yield from learner.losses(learner.outputs(sample), sample)
        return
    for row in range(len(sample.index)):
        own = learner.outputs(sample.take(slice(row, row + 1)))
        at = torch.tensor([row], device=sample.index.device)
        outputs = tree_map(lambda rest, one, at=at: rest.index_copy(-2, at, one.to(rest.dtype)), fixed, own)
        yield learner.losses(outputs, sample)[row]


class GradientNorms(LightningModule):
    """Lightning module whose predictions are the positions of rows, and the norms of their loss gradients.

    Forget and test images are in the same batches, in a random order of seed 0, so that a contrastive loss compares
    both with the same images.

    Args:
        learner: The model.
        data: The data.
    """

    def __init__(self, learner: Learner, data: UnlearningData) -> None:
        super().__init__()
        self.learner, self.data = learner, data

    @override
    def predict_dataloader(self) -> PositionLoader:
        reads = InputSpec.of(self.learner)
        positions = torch.cat([self.data.positions(split) for split in ("forgotten", "test")])
        order = torch.randperm(len(positions), generator=torch.Generator().manual_seed(0))
        rows = even_rows(len(positions), self.data.eval_batch_size)
        return self.data.loader(positions[order], SamplePlan.embedding(reads, reads.views, seed=0), rows=rows)

    @override
    def predict_step(self, batch: Rows, batch_idx: int) -> tuple[Tensor, Tensor]:
        sample = needed_views(self.learner, self.data.sample(batch))
        weights = [parameter for parameter in self.learner.parameters() if parameter.requires_grad]
        full_precision = torch.autocast(self.device.type, enabled=False)  # small gradients vanish in half precision
        with single_process(), isolated_rng(self.device), torch.enable_grad(), full_precision:
            norms = weight_gradient_norms(own_losses(self.learner, sample), weights)
        return sample.index.cpu(), norms.cpu()


def gradient_norms(learner: Learner, data: UnlearningData, **options: Any) -> dict[Split, Tensor]:
    """Norm of the gradient of each image's loss with respect to all trained weights, in evaluation mode [1].

    The loss is that of the clean image, or of two augmented views where the learner needs them, which are the same for
    every model; precision is full. Of losses that compare the rows of a batch, see :func:`own_losses`. A forward and a
    backward pass of one image at a time: about an epoch of training with ``batch_size`` 1 on as many images.

    Args:
        learner: The model.
        data: The data, with a forget set.
        options: Options of the trainer.

    Returns:
        ``(N,)`` by split, forget and test, in the order of the split's positions.
    """
    data.load()
    trainer = UnlearningTrainer(inference_mode=False, callbacks=ProgressLog("Gradients"), **alone(options))
    batches: Any = trainer.predict(GradientNorms(learner, data))
    index, norms = (torch.cat(parts) for parts in zip(*batches, strict=True))
    by_position = torch.zeros(len(data.ids), dtype=norms.dtype).index_copy(0, index, norms)
    return {"forget": by_position[data.positions("forgotten")], "test": by_position[data.positions("test")]}


def add_gradient_attack(
    audits: Sequence[Audit], learners: Mapping[str, Learner], data: UnlearningData, **options: Any
) -> list[Audit]:
    """Add ``gradient_auc``, the AUC of the negative norm of forget against test images, with its 95 % interval.

    A model with a norm that is not a number has none.
    """
    added = []
    for audit in audits:
        _log.info(f"Loss gradients of {audit.name}")
        norms = gradient_norms(learners[audit.name], data, **options)
        scores = -norms["forget"], -norms["test"]
        if any(values.isnan().any() for values in scores):
            added.append(audit)
            continue
        metrics = audit.metrics | {"gradient_auc": membership_auc(*scores).item()}
        intervals = {f"gradient_{key}": ends for key, ends in roc_intervals(*scores).items() if key == "auc"}
        added.append(replace(audit, metrics=metrics, intervals=audit.intervals | intervals))
    return added
