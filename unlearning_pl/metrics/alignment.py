"""Forgetting score: the alignment that unlearning removed.

Letters: B rows of a batch, E width of an embedding.
"""

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from unlearning_pl.metrics.row_metric import RowMetric


class ForgettingScore(RowMetric):
    """Forgetting score: mean decrease of the cosine similarity of two views of a forget image by unlearning.

    As input to ``update`` the metric accepts embeddings ``(B, E)`` of two views of the same images by two models:

    - ``anchor_before``, ``positive_before`` (:class:`~torch.Tensor`): By the original.
    - ``anchor_after``, ``positive_after`` (:class:`~torch.Tensor`): By the unlearned model.

    As output of ``compute``: a scalar in [-2, 2], see :func:`unlearning_pl.functional.alignment.forgetting_score`.

    Example:
        >>> import torch
        >>> metric = ForgettingScore()
        >>> metric.update(torch.eye(2), torch.eye(2), torch.eye(2), torch.eye(2).flip(0))
        >>> metric.compute()
        tensor(1.)
    """

    names = ("lost",)

    @override
    def update(
        self, anchor_before: Tensor, positive_before: Tensor, anchor_after: Tensor, positive_after: Tensor
    ) -> None:
        before = F.cosine_similarity(anchor_before.float(), positive_before.float())
        self.keep("lost", before - F.cosine_similarity(anchor_after.float(), positive_after.float()))

    @override
    def compute(self) -> Tensor:
        return self.rows("lost").mean()
