import torch
from torch import Tensor

from unlearning_pl.functional.gradients import input_gradient_norm


def loss(x: Tensor, w: Tensor) -> Tensor:
    return torch.tanh(x @ w).square().sum(1)


def norm_by_finite_differences(x: Tensor, w: Tensor, h: float = 1e-6) -> Tensor:
    norms = []
    for i in range(len(x)):
        slopes = []
        for j in range(x.shape[1]):
            step = torch.zeros_like(x)
            step[i, j] = h
            slopes.append(float(loss(x + step, w)[i] - loss(x - step, w)[i]) / (2 * h))
        norms.append(sum(slope**2 for slope in slopes) ** 0.5)
    return torch.tensor(norms, dtype=x.dtype)


def test_equals_finite_differences_of_each_samples_loss() -> None:
    x, w = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(3, 2, dtype=torch.float64)
    norms = input_gradient_norm(loss(x, w), (x,))
    torch.testing.assert_close(norms.detach(), norm_by_finite_differences(x.detach(), w), rtol=1e-6, atol=1e-8)


def test_its_own_gradient_equals_finite_differences() -> None:
    x, w = torch.randn(4, 3, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)

    def penalty(weights: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        return input_gradient_norm(loss(leaf, weights), (leaf,)).mean()

    assert torch.autograd.gradcheck(penalty, w.requires_grad_())


def test_runs_over_all_inputs_and_counts_an_unused_one_as_zero() -> None:
    x, y, unused = (torch.randn(3, 2, requires_grad=True) for _ in range(3))
    norms = input_gradient_norm((3 * x + 4 * y).sum(1), (x, y, unused))
    torch.testing.assert_close(norms, torch.full((3,), (2 * 9 + 2 * 16) ** 0.5))


def test_a_flat_loss_has_a_finite_gradient() -> None:
    x = torch.zeros(2, 2, requires_grad=True)
    weight = torch.ones(2, requires_grad=True)
    input_gradient_norm((weight * x**2).sum(1), (x,)).sum().backward()
    assert torch.isfinite(weight.grad).all()
