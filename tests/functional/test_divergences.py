import pytest
import torch
from scipy.special import rel_entr, softmax

from unlearning_pl.functional.divergences import distillation, divergence_from


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_equals_scipy(temperature: float) -> None:
    student, teacher = torch.randn(2, 6, 5).double() * 3
    found, wanted = (softmax(logits.numpy() / temperature, axis=1) for logits in (student, teacher))
    expected = temperature**2 * rel_entr(wanted, found).sum(1)
    torch.testing.assert_close(distillation(student, teacher, temperature), torch.from_numpy(expected))


def test_is_zero_between_equals_and_finite_between_extremes() -> None:
    logits = torch.tensor([[1e4, -1e4]])
    assert distillation(logits, logits, 1.0).item() == 0.0
    assert torch.isfinite(distillation(logits, -logits, 1.0)).all()


def test_the_divergence_from_one_distribution_equals_scipy_where_a_class_has_none() -> None:
    wanted = torch.tensor([0.5, 0.0, 0.3, 0.2]).double()
    logits = torch.randn(6, 4).double() * 3
    expected = rel_entr(wanted.numpy(), softmax(logits.numpy(), axis=1)).sum(1)
    torch.testing.assert_close(divergence_from(wanted, logits), torch.from_numpy(expected))
