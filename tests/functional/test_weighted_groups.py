"""Weighted groups: what they keep of the rows, and that support vectors fitted on them are nearly those of all rows."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlearning_pl.functional.learned_attacks import svc_attack
from unlearning_pl.functional.weighted_groups import weighted_groups


def scores(rows: int, shift: float, seed: int, features: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (shift + torch.randn(rows, features, generator=generator)).sigmoid().double()


VALUES = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.1, 0.1 + 1e-16, 0.3]), min_size=1, max_size=60)


@given(VALUES, st.integers(1, 3), st.integers(1, 70))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_count_and_mean_are_kept(values: list[float], features: int, groups: int) -> None:
    rows = torch.tensor(values, dtype=torch.float64)[:, None].repeat(1, features)
    means, weights = weighted_groups(rows, groups)
    assert len(means) == len(weights) <= max(1, groups)
    assert weights.sum() == len(rows)
    assert weights.min() > 0
    torch.testing.assert_close(weights @ means, rows.sum(dim=0), atol=1e-6, rtol=1e-9)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 1 / 3, 0.7]), min_size=8, max_size=50), st.integers(5, 7))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_few_distinct_rows_are_counted_exactly(values: list[float], groups: int) -> None:
    means, weights = weighted_groups(torch.tensor(values, dtype=torch.float64)[:, None], groups)
    found = {round(mean, 12): int(n) for mean, n in zip(means[:, 0].tolist(), weights.tolist(), strict=True)}
    assert found == {round(value, 12): values.count(value) for value in set(values)}


def test_the_widest_group_is_split_at_its_mean() -> None:
    rows = torch.tensor([[0.0, 0.0], [0.1, 8.0], [0.2, 9.0], [0.3, 1.0]])
    means, weights = weighted_groups(rows, groups=2)
    assert sorted(map(tuple, means.tolist())) == [pytest.approx((0.15, 0.5)), pytest.approx((0.15, 8.5))]
    assert weights.tolist() == [2, 2]


def split_by_hand(rows: list[list[float]], groups: int) -> list[list[list[float]]]:
    """The groups, in exact arithmetic: the one with the largest sum of squares along a coordinate is split there."""
    parts = [[[Fraction(x) for x in row] for row in rows]]

    def spread(part: list[list[Fraction]]) -> tuple[Fraction, int]:
        columns = [[row[c] for row in part] for c in range(len(part[0]))]
        squares = [sum((x - sum(xs) / len(xs)) ** 2 for x in xs) for xs in columns]
        return max(squares), squares.index(max(squares))

    while len(parts) < groups and max(spread(part)[0] for part in parts) > 0:
        widest = max(parts, key=lambda part: spread(part)[0])  # the older one of two
        column = spread(widest)[1]
        mean = sum(row[column] for row in widest) / len(widest)
        parts.remove(widest)
        parts += [[r for r in widest if r[column] <= mean], [r for r in widest if r[column] > mean]]
    return [[[float(x) for x in row] for row in part] for part in parts]


@pytest.mark.parametrize(("count", "features", "groups"), [(40, 1, 12), (40, 3, 12), (25, 2, 24)])
def test_groups_are_those_of_plain_loops(count: int, features: int, groups: int) -> None:
    rows = scores(count, 0.0, seed=count + features, features=features)
    means, weights = weighted_groups(rows, groups)
    expected = split_by_hand(rows.tolist(), groups)
    found = sorted((mean, weight) for mean, weight in zip(means.tolist(), weights.tolist(), strict=True))
    by_hand = sorted(([sum(c) / len(c) for c in zip(*part, strict=True)], len(part)) for part in expected)
    for (mean, weight), (other, number) in zip(found, by_hand, strict=True):
        assert mean == pytest.approx(other, rel=1e-12)
        assert weight == number


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_do_not_round_as_the_rows_do(dtype: torch.dtype) -> None:
    rows = (1000 + torch.rand(200_000, 2, generator=torch.Generator().manual_seed(0))).to(dtype)
    means, weights = weighted_groups(rows, groups=4)
    assert means.dtype == weights.dtype == dtype
    if dtype == torch.float32:
        mean = (weights.double() @ means.double()) / len(rows)
        torch.testing.assert_close(mean, rows.double().mean(dim=0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="rows that are finite"):
        weighted_groups(torch.tensor([[0.0], [value], [1.0]]), groups=2)


def test_rows_that_fit_are_returned_untouched() -> None:
    rows = torch.rand(7, 2)
    means, weights = weighted_groups(rows, groups=7)
    assert means is rows
    assert weights.tolist() == [1] * 7


@pytest.mark.parametrize(("shape", "groups"), [((0, 2), 3), ((4,), 3), ((4, 1), 0)])
def test_mistakes_are_refused(shape: tuple[int, ...], groups: int) -> None:
    with pytest.raises(ValueError, match="one group or more, got"):
        weighted_groups(torch.zeros(shape), groups)


@pytest.mark.parametrize(("features", "points"), [(1, 0.1), (4, 1.5)])  # 300 means of scattered rows in 4 dimensions
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_support_vectors_of_groups_classify_like_those_of_all_rows(features: int, points: float, seed: int) -> None:
    members, non_members = scores(1200, 1.0, seed, features), scores(1200, 0.0, seed + 10, features)
    forget = scores(2000, 0.5, seed + 20, features)
    exact = svc_attack(forget, members, non_members)
    assert svc_attack(forget, members, non_members, groups=300).item() == pytest.approx(exact.item(), abs=points)
    assert 20 < exact < 80


def test_support_vectors_of_counted_rows_are_exact() -> None:
    values = torch.linspace(0.05, 0.95, 10, dtype=torch.float64)  # 10 distinct scores of 1 000 images
    draws = torch.Generator().manual_seed(0)
    members = values[torch.multinomial(values, 1000, replacement=True, generator=draws)]
    non_members = values[torch.multinomial(1 - values, 1000, replacement=True, generator=draws)]
    exact, grouped = (svc_attack(values, members, non_members, groups) for groups in (None, 10))
    assert exact == grouped
    assert 0 < exact < 100
