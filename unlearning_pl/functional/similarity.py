"""How alike two models represent the same images.

Letters: N images, D1 and D2 dimensions of the two representations, D where they are equal.

References:
    [1] Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, arXiv 1905.00414
    [2] Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.functional.precision import full_precision


def linear_cka(first: Tensor, second: Tensor) -> Tensor:
    r"""Whether two models arrange images alike, up to rotation and scale: linear centred kernel alignment [1].

    .. math:: \mathrm{CKA} = \frac{\| Y^\top X \|_F^2}{\| X^\top X \|_F \, \| Y^\top Y \|_F}

    X and Y are the representations with the mean of each column taken away, in float64.

    Args:
        first: Representation by one model, ``(N, D1)``.
        second: Of the same images by the other, ``(N, D2)``.

    Returns:
        A scalar in [0, 1]; 1 for the same up to rotation and scale, 0 where one is the same for all images.

    Raises:
        ValueError: The two are not matrices with as many rows, or they are empty.

    Example:
        >>> x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
        >>> linear_cka(x, 3 * x.flip(1)), linear_cka(x, torch.ones(3, 5))
        (tensor(1.), tensor(0.))
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or not first.numel() or not second.numel():
        raise ValueError(
            f"Expected representations (N, D1) and (N, D2), got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed the same images with both models."
        )
    x, y = _centred(first), _centred(second)
    alike = (y.T @ x).square().sum()
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    return (alike / scale if scale > 0 else torch.zeros_like(alike)).to(first.dtype)


@full_precision
def cosine_drift(first: Tensor, second: Tensor) -> Tensor:
    r"""How far each image has moved between two models, as an angle sees it.

    .. math:: d_i = 1 - \cos(x_i, y_i)

    It compares coordinates: turn one representation onto the other first (:func:`procrustes`) where the models were
    not trained from the same weights.

    Args:
        first: Representation by one model, ``(N, D)``.
        second: Of the same images by the other, ``(N, D)``.

    Returns:
        ``(N,)`` in [0, 2]; 0 for the same direction, 1 for a row of zeros.

    Raises:
        ValueError: The two are not matrices of one shape.

    Example:
        >>> cosine_drift(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([0., 1.])
    """
    _require_one_shape(first, second)
    return 1 - F.cosine_similarity(first, second, dim=1)


def procrustes(source: Tensor, target: Tensor) -> Tensor:
    r"""Turn a representation onto another one as well as a rotation, with or without a reflection, can do it [2].

    .. math:: X R, \quad R = \arg \min_{R^\top R = 1} \| X R - Y \|_F = U V^\top, \quad U S V^\top = X^\top Y

    Columns are not centred and lengths stay; computed in float64.

    Args:
        source: X, ``(N, D)``.
        target: Y, ``(N, D)``.

    Returns:
        The source, turned, ``(N, D)``.

    Raises:
        ValueError: The two are not matrices of one shape.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
        >>> torch.allclose(procrustes(x.flip(1), x), x)
        True
    """
    _require_one_shape(source, target)
    wide = source.double()
    left, _, right = torch.linalg.svd(wide.T @ target.double())
    turned: Tensor = wide @ (left @ right)
    return turned.to(source.dtype)


def _centred(rows: Tensor) -> Tensor:
    # rounding leaves a constant column its last digits, which must not pass for a signal
    wide = rows.double()
    centred = wide - wide.mean(dim=0)
    negligible = torch.finfo(wide.dtype).eps * len(wide) * wide.abs().amax(dim=0)
    return centred.where(centred.abs().amax(dim=0) > negligible, 0)


def _require_one_shape(first: Tensor, second: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"Expected representations of one shape (N, D), got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed the same images with two models of one width."
        )
