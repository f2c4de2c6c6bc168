"""Divergences between distributions, per sample.

Letters: B rows of a batch, K classes or candidates.
"""

from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.functional.precision import full_precision


@full_precision
def divergence_from(reference: Tensor, logits: Tensor) -> Tensor:
    r"""KL divergence of class probabilities, given as logits, from one reference distribution, in nats.

    .. math:: d_i = \sum_k q_k \log \frac{q_k}{p_{ik}}, \quad p_i = \mathrm{softmax}(s_i)

    Args:
        reference: Probabilities q, ``(K,)``; a class may have probability 0.
        logits: Logits s, ``(B, K)``.

    Returns:
        ``(B,)``, at least 0.

    Example:
        >>> import torch
        >>> divergence_from(torch.tensor([1.0, 0.0]), torch.zeros(1, 2))
        tensor([0.6931])
    """
    log_p = F.log_softmax(logits, dim=1)
    return F.kl_div(log_p, reference.expand_as(log_p), reduction="none").sum(1)


@full_precision
def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""Distillation loss: KL divergence of a student's softened class probabilities from its teacher's, in nats.

    .. math:: l_i = T^2 \sum_k p_{ik} \log \frac{p_{ik}}{q_{ik}}, \quad
        p_i = \mathrm{softmax}(t_i / T), \; q_i = \mathrm{softmax}(s_i / T)

    Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531; the factor T^2 keeps the magnitude
    of the gradient independent of the temperature.

    Args:
        student: Logits s, ``(B, K)``.
        teacher: Logits t, ``(B, K)``.
        temperature: T, positive.

    Returns:
        ``(B,)``, at least 0.

    Example:
        >>> import torch
        >>> distillation(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]), temperature=1.0)
        tensor([0.3278])
    """
    teacher_log_p, student_log_p = (
        F.log_softmax(teacher / temperature, dim=1),
        F.log_softmax(student / temperature, dim=1),
    )
    return temperature**2 * F.kl_div(student_log_p, teacher_log_p, reduction="none", log_target=True).sum(1)
