import pytest
import torch
from torch import Tensor

from unlearning_pl.functional.gradients import input_gradient_norm, weight_gradient_norms


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


def test_weight_gradient_of_a_linear_softmax_model_is_known() -> None:
    """The loss l = -log softmax(W x + b)_y has the gradient (p - e_y) x^T in W and p - e_y in b."""
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 2, 1, 2, 0])
    weight, bias = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 4), (3,)))
    losses = torch.nn.functional.cross_entropy(x @ weight.T + bias, y, reduction="none")
    residual = (x @ weight.T + bias).softmax(1) - torch.nn.functional.one_hot(y, 3)
    known = residual.norm(dim=1) * (x.square().sum(1) + 1).sqrt()
    torch.testing.assert_close(weight_gradient_norms(losses, [weight, bias]), known.detach())


def test_losses_that_are_made_one_at_a_time_have_the_same_norms() -> None:
    """Regression, l = (w . x - y)^2 / 2 has the gradient (w . x - y) x; a weight that takes no part adds nothing."""
    x, y = torch.randn(6, 3), torch.randn(6)
    weight, unused = torch.randn(3, requires_grad=True), torch.randn(2, requires_grad=True)
    one_at_a_time = ((row @ weight - goal).square() / 2 for row, goal in zip(x, y, strict=True))
    known = (x @ weight - y).abs() * x.norm(dim=1)
    torch.testing.assert_close(weight_gradient_norms(one_at_a_time, [weight, unused]), known.detach())
    assert weight.grad is None


def test_norms_of_no_loss_are_empty_and_those_of_half_precision_are_wide() -> None:
    weight = torch.full((3,), 300.0, dtype=torch.bfloat16, requires_grad=True)
    assert weight_gradient_norms([], [weight]).shape == (0,)
    norms = weight_gradient_norms([weight.square().sum()], [weight])
    assert norms.dtype == torch.float32
    assert float(norms) == pytest.approx(600 * 3**0.5, rel=1e-2)


def test_weights_and_scalar_losses_are_needed() -> None:
    weight = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="one weight or more"):
        weight_gradient_norms([weight.sum()], [])
    with pytest.raises(ValueError, match=r"a scalar for each row, got \(2,\)"):
        weight_gradient_norms(weight[None], [weight])
