import math
from collections.abc import Callable

import pytest
import torch
from lightly.loss import NTXentLoss
from torch import Tensor

from unlearning_pl.functional.contrastive_losses import info_nce, negative_cosine, nt_xent, queue_nce


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    dot = sum(float(x * y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(x * x) for x in a) * sum(float(y * y) for y in b))


def test_info_nce_equals_the_formula_in_plain_loops() -> None:
    z, other = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    losses = info_nce(z, other, temperature=0.2)
    for i in range(5):
        scores = [math.exp(cosine(z[i], other[j]) / 0.2) for j in range(5)]
        assert abs(float(losses[i]) + math.log(scores[i] / sum(scores))) < 1e-9


def test_nt_xent_equals_lightlys() -> None:
    z, other = torch.randn(6, 3), torch.randn(6, 3)
    torch.testing.assert_close(nt_xent(z, other, 0.2).mean(), NTXentLoss(0.2)(z, other))


def test_queue_nce_equals_lightlys() -> None:
    criterion = NTXentLoss(0.2, memory_bank_size=(10, 3))
    z, other = torch.randn(6, 3), torch.randn(6, 3)
    queue = criterion.memory_bank.bank
    torch.testing.assert_close(queue_nce(z, other, queue, 0.2).mean(), criterion(z, other))


@pytest.mark.parametrize("loss", [nt_xent, info_nce, lambda a, b, t: queue_nce(a, b, b.detach(), t)])
def test_losses_are_not_rounded_under_autocast(loss: Callable[..., Tensor]) -> None:
    z, other = torch.randn(16, 32), torch.randn(16, 32)
    exact = loss(z, other, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(z, other, 0.1), exact)
        assert loss(z.bfloat16(), other.bfloat16(), 0.1).dtype == torch.float32


def test_negative_cosine_equals_the_formula_for_each_direction() -> None:
    p, t = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    losses = negative_cosine(p, t)
    assert losses.shape == (2, 3)
    for a in range(2):
        for i in range(3):
            assert abs(float(losses[a, i]) + cosine(p[a, i], t[a, i])) < 1e-9
