"""The Pareto front against the definition, in a plain loop."""

import pytest
import torch

from unlearning_pl.functional.pareto_front import pareto_front


def dominated(point: list[float], others: list[list[float]]) -> bool:
    return any(
        all(a <= b for a, b in zip(other, point, strict=True)) and any(a < b for a, b in zip(other, point, strict=True))
        for other in others
    )


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_definition_in_a_loop(dimensions: int) -> None:
    generator = torch.Generator().manual_seed(dimensions)
    points = torch.randint(0, 6, (40, dimensions), generator=generator).double()  # many are equal
    expected = [not dominated(point, points.tolist()) for point in points.tolist()]
    assert pareto_front(points).tolist() == expected
    assert 0 < sum(expected) < len(points)


def test_equal_points_share_their_place() -> None:
    assert pareto_front(torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 2.0]])).tolist() == [True, True, False]
    assert pareto_front(torch.zeros(0, 2)).tolist() == []


@pytest.mark.parametrize("points", [torch.tensor([[float("inf"), 1.0]]), torch.zeros(2)])
def test_other_points_are_refused(points: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Expected finite points"):
        pareto_front(points)
