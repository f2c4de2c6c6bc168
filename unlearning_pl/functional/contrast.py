"""Contrastive losses, kept per sample.

Letters: N rows of one process, W processes, D width of an embedding.
"""

import torch
from lightly.utils import dist
from torch import Tensor
from torch.nn import functional as F


def info_nce(anchor: Tensor, positive: Tensor, temperature: float) -> Tensor:
    r"""Tell each anchor's positive from everybody else's, by cosine similarity.

    .. math:: l_i = - \log \mathrm{softmax}_j ( \cos(z_i, z'_j) / \tau )_i

    The candidates are the positives of all processes; those of the same view as the anchor are no negatives
    (CoUn, Khalil et al., NeurIPS 2025, arXiv 2509.16391; N-way InfoNCE, van den Oord et al., arXiv 1807.03748).

    ====== ===================== =====================
    rank   anchors               candidates
    ====== ===================== =====================
    0      ``z_0 .. z_{N-1}``    ``z'_0 .. z'_{WN-1}``
    1      ``z_N .. z_{2N-1}``   ``z'_0 .. z'_{WN-1}``
    ====== ===================== =====================

    Args:
        anchor: Embeddings of one view, ``(N, D)``; the same N on every process.
        positive: Embeddings of the other view, ``(N, D)``.
        temperature: Softmax temperature, positive.

    Returns:
        Loss of each anchor, ``(N,)``, in float32 or wider.

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor([0.3133, 0.3133])
    """
    anchor = F.normalize(_wide(anchor), dim=1)
    positive = F.normalize(_wide(positive), dim=1)
    candidates = torch.cat(dist.gather(positive)) if dist.world_size() > 1 else positive
    labels = torch.arange(len(anchor), device=anchor.device) + dist.rank() * len(anchor)
    return F.cross_entropy(anchor @ candidates.T / temperature, labels, reduction="none")


def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Negative cosine similarity of matching rows, the loss of BYOL up to scale and offset.

    .. math:: l_i = - \cos(p_i, t_i)

    Grill et al., "Bootstrap your own latent", NeurIPS 2020, arXiv 2006.07733. lightly's
    ``NegativeCosineSimilarity`` always averages; unlearning needs each sample's own loss.

    Args:
        prediction: ``(..., N, D)``.
        target: ``(..., N, D)``.

    Returns:
        ``(..., N)``, in [-1, 1].

    Example:
        >>> negative_cosine(torch.eye(2), torch.eye(2))
        tensor([-1., -1.])
    """
    return -F.cosine_similarity(_wide(prediction), _wide(target), dim=-1)


def _wide(x: Tensor) -> Tensor:
    """Similarities and softmaxes in float32 at least, also under autocast."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
