"""Contrastive losses, kept per sample, in float32 or wider.

Letters: N rows of one process, W processes, D width of an embedding, Q length of a queue.

Where negatives come from all processes, the caller passes a gather function: this module knows no process group.

lightly's losses average over samples, keep a queue of their own, synchronise with the device in every step and have no
second derivative over processes; unlearning needs per-sample losses and the gradient of their gradient. The tests
compare these losses with lightly's.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.functional.own_pairs import drop_own_pairs, name_views
from unlearning_pl.functional.precision import full_precision

Gather = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps the rows of this process, ``(N, D)``, to those of all, ``(W N, D)``, and its own positions, ``(N,)`` int64."""


def local_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """:data:`Gather` of a single process: returns its own rows.

    Example:
        >>> local_rows(torch.zeros(2, 3))[1]
        tensor([0, 1])
    """
    return rows, torch.arange(len(rows), device=rows.device)


@full_precision
def nt_xent(
    first: Tensor,
    second: Tensor,
    temperature: float,
    gather: Gather = local_rows,
    images: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    r"""NT-Xent, SimCLR's loss: classify each view's positive among all other views of the batch, by cosine similarity.

    .. math:: l_{a} = - \log \frac{\exp(\cos(z_a, z_{p(a)}) / \tau)}{\sum_{b \ne a} \exp(\cos(z_a, z_b) / \tau)}

    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv 2002.05709.
    The sum runs over both views of all samples of all processes; a sample's loss is the mean of its two anchors. Where
    rows have the second view of a partner, the sum omits the views that
    :func:`~unlearning_pl.functional.own_pairs.drop_own_pairs` names.

    Args:
        first: Embeddings of one view, ``(N, D)``; the same N on every process.
        second: Embeddings of the other view, ``(N, D)``.
        temperature: Softmax temperature, positive.
        gather: Collects the rows of all processes; default: a single process.
        images: Numbers of the images that the rows of ``first`` and of ``second`` are views of, each ``(N,)`` int64,
            the same on all processes; None if both are views of one, and no image has two rows.

    Returns:
        Loss of each sample, ``(N,)``.

    Example:
        >>> nt_xent(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor([0.5514, 0.5514])
    """
    anchors = F.normalize(torch.cat([first, second]), dim=1)
    candidates, own = gather(anchors)
    is_self = torch.arange(len(candidates), device=anchors.device) == own[:, None]
    logits = (anchors @ candidates.T / temperature).masked_fill(is_self, -torch.inf)
    positive = own.roll(len(first))
    if images is not None:
        views = torch.cat(name_views(*images))
        logits = drop_own_pairs(logits, positive, views, gather(views[:, None])[0][:, 0])
    losses = F.cross_entropy(logits, positive, reduction="none")
    return losses.view(2, -1).mean(0)


@full_precision
def queue_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    r"""InfoNCE with a queue, MoCo's loss: classify each query's key among earlier keys, by cosine similarity.

    .. math:: l_i = - \log \frac{\exp(\cos(q_i, k_i) / \tau)}
        {\exp(\cos(q_i, k_i) / \tau) + \sum_m \exp(\cos(q_i, n_m) / \tau)}

    He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, arXiv 1911.05722.

    Args:
        query: Embeddings of the queries, ``(N, D)``.
        key: Embeddings of the positive keys, ``(N, D)``.
        queue: Negatives n of unit length, ``(Q, D)``.
        temperature: Softmax temperature, positive.

    Returns:
        Loss of each query, ``(N,)``.

    Example:
        >>> queue_nce(torch.eye(2), torch.eye(2), torch.tensor([[1.0, 0.0]]), temperature=1.0)
        tensor([0.6931, 0.3133])
    """
    query, key = F.normalize(query, dim=1), F.normalize(key, dim=1)
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long), reduction="none")


@full_precision
def info_nce(
    anchor: Tensor,
    positive: Tensor,
    temperature: float | Tensor,
    gather: Gather = local_rows,
    views: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    r"""InfoNCE: classify each anchor's positive among the positives of all anchors, by cosine similarity.

    .. math:: l_i = - \log \mathrm{softmax}_j ( \cos(z_i, z'_j) / \tau )_i

    The candidates are the positives of all processes; other anchors are no negatives (CoUn, Khalil et al.,
    NeurIPS 2025, arXiv 2509.16391; van den Oord et al., arXiv 1807.03748).

    Args:
        anchor: Embeddings of one view, ``(N, D)``; the same N on every process.
        positive: Embeddings of the other view, ``(N, D)``.
        temperature: Softmax temperature, positive; a tensor ``()`` if it is learned.
        gather: Collects the rows of all processes; default: a single process.
        views: Names of the views that anchors and positives are, each ``(N,)`` int64, where a positive is a partner's:
            the softmax then omits what :func:`~unlearning_pl.functional.own_pairs.drop_own_pairs` names.

    Returns:
        Loss of each anchor, ``(N,)``.

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor([0.3133, 0.3133])
    """
    anchor, (candidates, own) = F.normalize(anchor, dim=1), gather(F.normalize(positive, dim=1))
    logits = anchor @ candidates.T / temperature
    if views is not None:
        logits = drop_own_pairs(logits, own, views[0], gather(views[1][:, None])[0][:, 0])
    return F.cross_entropy(logits, own, reduction="none")


def symmetric_info_nce(
    first: Tensor,
    second: Tensor,
    temperature: float | Tensor,
    gather: Gather = local_rows,
    images: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    r"""Symmetric InfoNCE: mean of :func:`info_nce` in both directions.

    .. math:: l_i = - \frac{1}{2} \Big( \log \mathrm{softmax}_j ( \cos(z_i, z'_j) / \tau )_i
        + \log \mathrm{softmax}_j ( \cos(z'_i, z_j) / \tau )_i \Big)

    CLIP's loss of an image and its caption (Radford et al., "Learning Transferable Visual Models From Natural Language
    Supervision", ICML 2021, arXiv 2103.00020), and CoUn's of two views (Khalil et al., arXiv 2509.16391). Where rows
    have the positive of a partner, each softmax omits the candidates that
    :func:`~unlearning_pl.functional.own_pairs.drop_own_pairs` names.

    Args:
        first: Embeddings, ``(N, D)``; the same N on every process.
        second: Embeddings of the positives, ``(N, D)``.
        temperature: Softmax temperature, positive; a tensor ``()`` if it is learned.
        gather: Collects the rows of all processes; default: a single process.
        images: Numbers of the images that the rows of ``first`` and of ``second`` belong to, each ``(N,)`` int64, the
            same on all processes; None if both belong to one, and no image has two rows.

    Returns:
        Loss of each pair, ``(N,)``.

    Example:
        >>> symmetric_info_nce(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor([0.3133, 0.3133])
    """
    views = None if images is None else name_views(*images)
    forward = info_nce(first, second, temperature, gather, views)
    backward = info_nce(second, first, temperature, gather, None if views is None else views[::-1])
    return (forward + backward) / 2


@full_precision
def class_contrast(anchor: Tensor, candidates: Tensor, own: Tensor, others: Tensor, temperature: float) -> Tensor:
    r"""Class-contrastive loss: pull each anchor towards candidates of other classes, away from those of its own class.

    .. math:: l_i = - \frac{1}{|N_i|} \sum_{a \in N_i} \log
        \frac{\exp(\cos(z_i, z_a) / \tau)}{\sum_{p \in P_i} \exp(\cos(z_i, z_p) / \tau)}

    Lee et al., "Contrastive Unlearning", IJCAI 2025, arXiv 2401.10458; P_i are the candidates of the anchor's class,
    N_i the others.

    Args:
        anchor: ``(N, D)``.
        candidates: ``(M, D)``.
        own: Mask of the candidates in P_i, ``(N, M)`` bool.
        others: Mask of the candidates in N_i, ``(N, M)`` bool.
        temperature: Softmax temperature, positive.

    Returns:
        Loss of each anchor, ``(N,)``; 0 if one of the two sets is empty.

    Example:
        >>> own = torch.tensor([[True, False]])
        >>> class_contrast(torch.tensor([[1.0, 0.0]]), torch.eye(2), own, ~own, temperature=1.0)
        tensor([1.])
    """
    scores = similarities(anchor, candidates) / temperature
    away = scores.masked_fill(~own, torch.finfo(scores.dtype).min).logsumexp(1)
    towards = scores.where(others, torch.zeros_like(scores)).sum(1) / others.sum(1).clamp_min(1)
    return (away - towards).where(own.any(1) & others.any(1), torch.zeros_like(away))


@full_precision
def similarities(rows: Tensor, others: Tensor) -> Tensor:
    """Pairwise cosine similarity of two sets of rows.

    Args:
        rows: ``(..., N, D)``.
        others: ``(..., M, D)``.

    Returns:
        ``(..., N, M)``, in [-1, 1].

    Example:
        >>> similarities(torch.eye(2), torch.tensor([[2.0, 0.0]]))
        tensor([[1.],
                [0.]])
    """
    return F.normalize(rows, dim=-1) @ F.normalize(others, dim=-1).mT


@full_precision
def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Negative cosine similarity of matching rows, BYOL's loss up to scale and offset.

    .. math:: l_i = - \cos(p_i, t_i)

    Grill et al., "Bootstrap your own latent", NeurIPS 2020, arXiv 2006.07733.

    Args:
        prediction: ``(..., N, D)``.
        target: ``(..., N, D)``.

    Returns:
        ``(..., N)``, in [-1, 1].

    Example:
        >>> negative_cosine(torch.eye(2), torch.eye(2))
        tensor([-1., -1.])
    """
    return -F.cosine_similarity(prediction, target, dim=-1)
