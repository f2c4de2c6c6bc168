r"""Quantities of the error bound of contrastive learning: concentration of augmented data, and stability of features.

The classification error of an encoder f whose class centres are far enough apart is at most
:math:`(1 - \sigma) + R_\varepsilon` for a :math:`(\sigma, \delta)`-augmentation A [1]; CoUn's Theorem 1 has it for
unlearning [2]. Estimates from V drawn views are one-sided for the given images: more views can only lower
:math:`1 - \sigma` and raise :math:`R_\varepsilon`. Of a sample of a class :math:`1 - \sigma` tends to be lower than of
the whole class, since the largest part is chosen within the sample.

Letters: N images, V views of each, D pixels, P = V (V - 1) / 2 pairs of views, K classes, E features.

References:
    [1] Huang et al., Towards the Generalization of Contrastive Self-Supervised Learning, ICLR 2023, arXiv 2111.00743
    [2] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
"""

import torch
import torch.nn.functional as F
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from torch import Tensor


def augmented_distances(views: Tensor) -> Tensor:
    r"""Augmented distance of each pair of images: that of their nearest views [1].

    .. math:: d_A(x_1, x_2) = \min_{x_1' \in A(x_1), \, x_2' \in A(x_2)} \| x_1' - x_2' \|

    Args:
        views: ``(N, V, D)``.

    Returns:
        ``(N, N)``, 0 on the diagonal.

    Raises:
        ValueError: If there is no view.

    Example:
        >>> augmented_distances(torch.tensor([[[0.0], [1.0]], [[3.0], [5.0]]]))
        tensor([[0., 2.],
                [2., 0.]])
    """
    if views.ndim != 3 or not views.shape[1]:
        raise ValueError(f"Expected views (N, V, D) with V >= 1, got {tuple(views.shape)}. Draw views of each image.")
    number, count, _ = views.shape
    rows, nearest = views.flatten(0, 1), views.new_zeros(number, number)
    for place, own in enumerate(views):  # the distances of all views of all images would take V^2 times the memory
        distances = torch.cdist(own, rows, compute_mode="donot_use_mm_for_euclid_dist")
        nearest[place] = distances.view(count, number, count).amin(dim=(0, 2))
    return nearest.fill_diagonal_(0)


def main_part_fractions(distances: Tensor, deltas: Tensor) -> Tensor:
    r"""Lower bound of :math:`\sigma` of one class: the fraction of a part whose images are within :math:`\delta` [1].

    A :math:`(\sigma, \delta)`-augmentation has a part of each class with at least the fraction :math:`\sigma` of its
    images, no two of which are farther than :math:`\delta` from one another. The largest such part is a maximum clique;
    this takes the largest cluster of complete linkage, which is such a part, though not always the largest.

    Args:
        distances: Augmented distances within the class, ``(N, N)``, N >= 1.
        deltas: ``(T,)``.

    Returns:
        ``(T,)`` float64 in (0, 1].

    Example:
        >>> distances = torch.tensor([[0.0, 1, 5], [1, 0, 4], [5, 4, 0]])
        >>> main_part_fractions(distances, torch.tensor([0.5, 1.0, 4.5, 5.0]))
        tensor([0.3333, 0.6667, 0.6667, 1.0000], dtype=torch.float64)
    """
    number = len(distances)
    sizes = torch.ones(len(deltas), dtype=torch.float64)
    if number > 1:
        condensed = squareform(distances.double().numpy(), checks=False)
        for _, _, height, size in linkage(condensed, "complete"):
            sizes[deltas >= height] = sizes[deltas >= height].clamp(min=size)
    return sizes / number


def unstable_fractions(similarities: Tensor, epsilons: Tensor) -> Tensor:
    r""":math:`R_\varepsilon`: fraction of images of which two views are farther than :math:`\varepsilon` [1].

    The features are normalised, so that :math:`\| f(x') - f(x'') \| = \sqrt{2 - 2 \cos}`.

    Args:
        similarities: Cosine similarity of the features of each pair of views, ``(N, P)``, P >= 1.
        epsilons: ``(T,)``, from 0 to 2.

    Returns:
        ``(T,)`` float64 in [0, 1].

    Example:
        >>> unstable_fractions(torch.tensor([[1.0, 1.0], [1.0, 0.5]]), torch.tensor([0.0, 0.9, 1.1]))
        tensor([0.5000, 0.5000, 0.0000], dtype=torch.float64)
    """
    farthest = (2 - 2 * similarities.double().amin(1)).clamp(min=0).sqrt()
    return (farthest[:, None] > epsilons).double().mean(0)


def centre_distances(features: Tensor, target: Tensor) -> Tensor:
    r"""Distance of each pair of class centres :math:`\mu_k`, the means of the normalised features of a class.

    Args:
        features: ``(N, E)``.
        target: Class of each image, ``(N,)`` int64.

    Returns:
        ``(K (K - 1) / 2,)`` float64 in [0, 2], of the classes that occur.

    Example:
        >>> centre_distances(torch.tensor([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]]), torch.tensor([4, 4, 7]))
        tensor([1.4142], dtype=torch.float64)
    """
    normalised = F.normalize(features.double(), dim=1)
    centres = torch.stack([normalised[target == number].mean(0) for number in torch.unique(target)])
    return F.pdist(centres)
