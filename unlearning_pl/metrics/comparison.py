"""How far two models are from one another, or many from many.

Letters: B rows of a batch, E and D dimensions of an embedding, N images.
"""

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from unlearning_pl.functional.shadow_models import klom
from unlearning_pl.functional.similarity import linear_cka
from unlearning_pl.metrics.collected_rows import Collected


class ForgettingScore(Collected):
    """How much similarity the two views of a forget image lost by unlearning, on average.

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


class LinearCKA(Collected):
    """Whether two models arrange images alike, up to rotation and scale: linear centred kernel alignment.

    As input to ``update`` the metric accepts:

    - ``first`` (:class:`~torch.Tensor`): Representation of the images by one model, ``(B, D1)``.
    - ``second`` (:class:`~torch.Tensor`): Of the same images by the other, ``(B, D2)``.

    As output of ``compute``: a scalar in [0, 1], see :func:`unlearning_pl.functional.similarity.linear_cka`.

    Example:
        >>> import torch
        >>> metric = LinearCKA()
        >>> metric.update(torch.eye(3), 2 * torch.eye(3).flip(1))
        >>> metric.compute()
        tensor(1.)
    """

    names = ("first", "second")

    @override
    def update(self, first: Tensor, second: Tensor) -> None:
        self.keep("first", first)
        self.keep("second", second)

    @override
    def compute(self) -> Tensor:
        return linear_cka(self.rows("first"), self.rows("second"))


class KLOM(Collected):
    """How far the answers of unlearned models are from those of retrained ones, on average over images.

    As input to ``update`` the metric accepts the margins of one model or of several, each of all images in one order:

    - ``margins`` (:class:`~torch.Tensor`): ``(N,)`` or ``(B, N)``; NaN where a model does not count for an image.
    - ``unlearned`` (``bool``): Whether the models were unlearned, or retrained without the images.

    As output of ``compute``: a scalar, the mean of :func:`unlearning_pl.functional.shadow_models.klom`, at least 0.

    Example:
        >>> import torch
        >>> metric = KLOM()
        >>> for margin in (1.0, 2.0, 3.0):
        ...     metric.update(torch.tensor([margin, -margin]), unlearned=True)
        ...     metric.update(torch.tensor([margin, -margin]), unlearned=False)
        >>> metric.compute()
        tensor(0.)
    """

    names = ("unlearned", "retrained")

    @override
    def update(self, margins: Tensor, unlearned: bool) -> None:
        self.keep("unlearned" if unlearned else "retrained", margins if margins.ndim > 1 else margins[None])

    @override
    def compute(self) -> Tensor:
        return klom(self.rows("unlearned"), self.rows("retrained")).mean()
