"""Linear CKA: similarity of two models' representations.

Letters: B rows of a batch, D width of a representation.
"""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.functional.similarity import linear_cka
from unlearning_pl.metrics.row_metric import RowMetric


class LinearCKA(RowMetric):
    """Linear CKA: similarity of two models' representations, invariant to rotation and scale.

    As input to ``update`` the metric accepts:

    - ``first`` (:class:`~torch.Tensor`): Representation of the images by the first model, ``(B, D1)``.
    - ``second`` (:class:`~torch.Tensor`): Representation of the same images by the second model, ``(B, D2)``.

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
