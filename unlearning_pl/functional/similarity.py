"""Similarity of representations: linear CKA, cosine drift and orthogonal Procrustes alignment.

Letters: N images, D1 and D2 dimensions of the two representations, D if they are equal.

References:
    [1] Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, arXiv 1905.00414
    [2] Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.functional.precision import full_precision


def linear_cka(first: Tensor, second: Tensor) -> Tensor:
    r"""Linear CKA (centred kernel alignment): similarity of representations, invariant to rotation and scale [1].

    .. math:: \mathrm{CKA} = \frac{\| Y^\top X \|_F^2}{\| X^\top X \|_F \, \| Y^\top Y \|_F}

    X and Y are the representations with the mean of each column subtracted, in float64.

    Args:
        first: Representation by the first model, ``(N, D1)``.
        second: Representation of the same images by the second model, ``(N, D2)``.

    Returns:
        A scalar in [0, 1]; 1 if equal up to rotation and scale, 0 if one is constant over all images.

    Raises:
        ValueError: The two are not matrices with the same number of rows, or they are empty.

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
    cross = (y.T @ x).square().sum()
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    return (cross / scale if scale > 0 else torch.zeros_like(cross)).to(first.dtype)


@full_precision
def cosine_drift(first: Tensor, second: Tensor) -> Tensor:
    r"""Cosine drift: cosine distance between two models' representations of each image.

    .. math:: d_i = 1 - \cos(x_i, y_i)

    The drift depends on the coordinates: align one representation with the other first (:func:`procrustes`) if the
    models were not trained from the same weights.

    Args:
        first: Representation by the first model, ``(N, D)``.
        second: Representation of the same images by the second model, ``(N, D)``.

    Returns:
        ``(N,)`` in [0, 2]; 0 for the same direction, 1 for a row of zeros.

    Raises:
        ValueError: The two are not matrices of one shape.

    Example:
        >>> cosine_drift(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([0., 1.])
    """
    _check_same_shape(first, second)
    return 1 - F.cosine_similarity(first, second, dim=1)


def procrustes(source: Tensor, target: Tensor) -> Tensor:
    r"""Orthogonal Procrustes: rotate (and reflect) a representation to fit another one best [2].

    .. math:: X R, \quad R = \operatorname{argmin}_{R^\top R = 1} \| X R - Y \|_F = U V^\top,
        \quad U S V^\top = X^\top Y

    Columns are not centred and norms are preserved; computed in float64.

    Args:
        source: Representation X, ``(N, D)``.
        target: Representation Y, ``(N, D)``.

    Returns:
        The rotated source, ``(N, D)``.

    Raises:
        ValueError: The two are not matrices of one shape.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
        >>> torch.allclose(procrustes(x.flip(1), x), x)
        True
    """
    _check_same_shape(source, target)
    wide = source.double()
    left, _, right = torch.linalg.svd(wide.T @ target.double())
    rotated: Tensor = wide @ (left @ right)
    return rotated.to(source.dtype)


def _centred(rows: Tensor) -> Tensor:
    # Rounding leaves a small residue in a constant column, which is set to 0.
    wide = rows.double()
    centred = wide - wide.mean(dim=0)
    negligible = torch.finfo(wide.dtype).eps * len(wide) * wide.abs().amax(dim=0)
    return centred.where(centred.abs().amax(dim=0) > negligible, 0)


def _check_same_shape(first: Tensor, second: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"Expected representations of one shape (N, D), got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed the same images with two models of one width."
        )
