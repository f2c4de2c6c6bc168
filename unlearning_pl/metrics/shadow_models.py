"""KLOM: divergence of unlearned models from retrained ones.

Letters: B models of a batch, N images.
"""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.functional.shadow_models import klom
from unlearning_pl.metrics.row_metric import RowMetric


class KLOM(RowMetric):
    """KLOM: KL divergence between the margins of unlearned and of retrained models, averaged over images.

    As input to ``update`` the metric accepts the margins of one or several models, on the same images in one order:

    - ``margins`` (:class:`~torch.Tensor`): ``(N,)`` or ``(B, N)``; NaN excludes a model for an image.
    - ``unlearned`` (``bool``): True for unlearned models, False for models retrained without the images.

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
