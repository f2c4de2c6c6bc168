"""Similarity of representations: invariances, the definition by Gram matrices, and scipy."""

import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from unlearning_pl.functional.similarity import cosine_drift, linear_cka, procrustes


def rows(n: int = 20, d: int = 6) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64) + 2


def rotation(d: int) -> Tensor:
    return torch.linalg.qr(torch.randn(d, d, dtype=torch.float64))[0]


def alignment_of_gram_matrices(x: Tensor, y: Tensor) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), entry by entry, with Gram matrices centred on both sides."""
    n = len(x)

    def centred(z: Tensor) -> list[list[float]]:
        gram = [[float(a @ b) for b in z] for a in z]
        mean = [sum(row) / n for row in gram]
        total = sum(mean) / n
        return [[gram[i][j] - mean[i] - mean[j] + total for j in range(n)] for i in range(n)]

    k, m = centred(x), centred(y)

    def dot(a: list[list[float]], b: list[list[float]]) -> float:
        return sum(p * q for first, second in zip(a, b, strict=True) for p, q in zip(first, second, strict=True))

    return dot(k, m) / (dot(k, k) * dot(m, m)) ** 0.5


@pytest.mark.parametrize("widths", [(6, 6), (3, 9), (30, 4)])
def test_alignment_is_that_of_centred_gram_matrices(widths: tuple[int, int]) -> None:
    x, y = rows(d=widths[0]), rows(d=widths[1])
    assert linear_cka(x, y).item() == pytest.approx(alignment_of_gram_matrices(x, y), rel=1e-9)
    assert linear_cka(x, y).item() == pytest.approx(linear_cka(y, x).item())
    assert 0 < linear_cka(x, y) < 1


def test_alignment_ignores_rotation_scale_and_shift_but_not_more() -> None:
    x, y = rows(), rows()
    turned = 7 * y @ rotation(6) - 3
    torch.testing.assert_close(linear_cka(x, turned), linear_cka(x, y))
    assert linear_cka(y, turned).item() == pytest.approx(1)
    stretched = y * torch.tensor([10.0, 1, 1, 1, 1, 1])
    assert linear_cka(y, stretched) < 0.99
    assert linear_cka(x, y[torch.randperm(20)]) != linear_cka(x, y)


def test_alignment_is_exact_where_float32_would_not_be() -> None:
    x = rows(200, 4)
    far = (x + 1e4).float()
    assert linear_cka(far, x.float()).item() == pytest.approx(linear_cka(far.double(), x).item(), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6])
def test_a_constant_representation_has_no_alignment(value: float) -> None:
    constant = torch.full((20, 3), value)
    assert linear_cka(constant, rows().float()) == 0
    assert linear_cka(rows().float(), constant) == 0
    assert linear_cka(constant, constant) == 0


def test_drift_is_one_minus_the_cosine_of_each_row() -> None:
    x, y = rows(), rows()
    expected = [1 - float(a @ b) / (float(a @ a) * float(b @ b)) ** 0.5 for a, b in zip(x, y, strict=True)]
    assert cosine_drift(x, y).tolist() == pytest.approx(expected)
    assert cosine_drift(x, -x).tolist() == pytest.approx([2] * 20)
    assert cosine_drift(x, 5 * x).abs().max() < 1e-12
    assert cosine_drift(x, torch.zeros_like(x)).tolist() == [1] * 20


def test_procrustes_equals_scipy() -> None:
    x, y = rows(), rows()
    turn, _ = orthogonal_procrustes(x.numpy(), y.numpy())
    torch.testing.assert_close(procrustes(x, y), x @ torch.from_numpy(turn))


def test_procrustes_undoes_a_rotation_and_a_reflection() -> None:
    x, reflection = rows(), torch.diag(torch.tensor([-1.0, 1, 1, 1, 1, 1], dtype=torch.float64))
    for turn in (rotation(6), rotation(6) @ reflection):
        assert cosine_drift(x @ turn, x).mean() > 0.01
        torch.testing.assert_close(procrustes(x @ turn, x), x)
    torch.testing.assert_close(procrustes(x, rows()).norm(dim=1), x.norm(dim=1))  # lengths stay


def test_procrustes_of_fewer_images_than_dimensions() -> None:
    x = rows(4, 10)
    torch.testing.assert_close(procrustes(x @ rotation(10), x), x)


def test_representations_of_different_images_are_refused() -> None:
    for shapes in (((3, 2), (4, 2)), ((3,), (3,)), ((0, 2), (0, 2))):
        with pytest.raises(ValueError, match="same images with both"):
            linear_cka(*(torch.ones(shape) for shape in shapes))
    for function in (cosine_drift, procrustes):
        with pytest.raises(ValueError, match="two models of one width"):
            function(torch.ones(3, 2), torch.ones(3, 4))
