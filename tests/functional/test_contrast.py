import math

import torch

from unlearning_pl.functional.contrast import info_nce, negative_cosine


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    dot = sum(float(x * y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(x * x) for x in a) * sum(float(y * y) for y in b))


def test_info_nce_equals_the_formula_in_plain_loops() -> None:
    z, other = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    losses = info_nce(z, other, temperature=0.2)
    for i in range(5):
        scores = [math.exp(cosine(z[i], other[j]) / 0.2) for j in range(5)]
        assert abs(float(losses[i]) + math.log(scores[i] / sum(scores))) < 1e-9


def test_info_nce_computes_in_float32_under_half_precision() -> None:
    z = torch.randn(4, 8).bfloat16()
    assert info_nce(z, z, 0.1).dtype == torch.float32


def test_negative_cosine_equals_the_formula_for_each_direction() -> None:
    p, t = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    losses = negative_cosine(p, t)
    assert losses.shape == (2, 3)
    for a in range(2):
        for i in range(3):
            assert abs(float(losses[a, i]) + cosine(p[a, i], t[a, i])) < 1e-9
