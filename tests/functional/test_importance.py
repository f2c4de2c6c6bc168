import pytest
import torch

from unlearning_pl.functional.importance import dampen, top_fraction_mask


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_share_is_exact_and_nothing_outside_is_larger(share: float) -> None:
    scores = {"a": torch.randn(3, 4), "b": torch.randn(8), "c": torch.zeros(4)}
    marks = top_fraction_mask(scores, share)
    flat = sorted((abs(float(s)) for score in scores.values() for s in score.flatten()), reverse=True)
    inside = sorted((abs(float(s)) for name in scores for s in scores[name][marks[name]]), reverse=True)
    assert inside == flat[: round(24 * share)]
    assert all(marks[name].shape == scores[name].shape for name in scores)


def test_equal_scores_are_marked_in_order_and_not_all() -> None:
    marks = top_fraction_mask({"a": torch.ones(4), "b": -torch.ones(4)}, 0.5)
    assert marks["a"].all()
    assert not marks["b"].any()


@pytest.mark.parametrize(("alpha", "lam"), [(1.5, 0.8), (0.4, 1.5)])  # with the second a factor would exceed 1
def test_dampening_follows_the_definition_weight_by_weight(alpha: float, lam: float) -> None:
    weight, forget, train = torch.randn(50), torch.rand(50), torch.rand(50)
    for w, f, d, new in zip(weight, forget, train, dampen(weight, forget, train, alpha, lam), strict=True):
        expected = w * min(lam * d / f, 1.0) if f > alpha * d else w
        assert float(new) == pytest.approx(float(expected), rel=1e-6)


def test_weights_that_matter_for_nobody_stay() -> None:
    weight, none = torch.randn(5), torch.zeros(5)
    assert torch.equal(dampen(weight, none, none, 1.0, 1.0), weight)
