"""Base class of SimCLR, MoCo, BYOL and CLIP, whose outputs are pairs.

Letters: B rows of a batch, W processes, E width of the embeddings, A directions of a symmetric loss.
"""

from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.distributed.collectives import gather
from unlearning_pl.functional.contrastive_losses import negative_cosine, similarities
from unlearning_pl.functional.permutations import differing_partner
from unlearning_pl.learners.learner import Learner
from unlearning_pl.types import Sample

Pair = tuple[Tensor, Tensor]  # anchor and positive, each (B, E) or (A, B, E)


class ContrastiveLearner(Learner):
    """Base class of learners that align pairs of embeddings.

    ``outputs`` is an (anchor, positive) pair. A subclass sets ``projection_head`` and ``temperature``.
    """

    borrows_targets, independent_rows = True, True
    projection_head: nn.Module
    temperature: float

    @override
    def project(self, features: Tensor) -> Tensor:
        embedding: Tensor = self.projection_head(features)
        return embedding

    @override
    def logits(self, outputs: Pair) -> Tensor:
        """Similarity of each anchor to the positives of all processes, divided by the temperature; ``(B, W B)``."""
        anchor, positive = outputs
        logits = similarities(anchor, gather(positive)) / self.temperature
        return logits if logits.dim() == 2 else logits.mean(0)

    @override
    def corrupt_targets(self, sample: Sample, partners: Sample | None = None) -> Sample:
        """Replace the second view of each image by that of the same row of ``partners``.

        Without ``partners`` each image gets the second view of another image of the sample.
        """
        first, _, *rest = sample.views
        lent = sample.take(differing_partner(sample.index)) if partners is None else partners
        return sample._replace(views=(first, lent.views[1], *rest))

    @override
    def swap_positives(self, outputs: Pair, sample: Sample, partner: Tensor) -> tuple[Pair, Sample]:
        anchor, positive = outputs
        return (anchor, positive.index_select(-2, partner)), sample._replace(partner=sample.index[partner])

    @override
    def alignment(self, outputs: Pair, sample: Sample) -> Tensor:
        cosine = -negative_cosine(*outputs)
        return cosine if cosine.dim() == 1 else cosine.mean(0)

    def names(self, sample: Sample) -> tuple[Tensor, Tensor] | None:
        """Images of the anchors and of their positives, each ``(B,)``, where a row may have another's positive."""
        return None if sample.partner is None else (sample.index, sample.partner)

    def begins_step(self, batch_idx: int) -> bool:
        """Whether an optimiser step begins with this batch: gradients may be accumulated over several batches."""
        return batch_idx == 0 or batch_idx % self.trainer.accumulate_grad_batches == 0
