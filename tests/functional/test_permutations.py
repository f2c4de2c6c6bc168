import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.functional.permutations import derangement, differing_partner, draw_differing

KEYS = st.lists(st.integers(0, 3), max_size=6)


@pytest.mark.parametrize("n", [2, 3, 17])
def test_nobody_is_their_own_partner_and_everybody_is_one_once(n: int) -> None:
    for _ in range(50):
        partner = derangement(n)
        assert (partner != torch.arange(n)).all()
        assert partner.sort().values.tolist() == list(range(n))


def test_partners_are_drawn_from_all_others() -> None:
    seen = {int(derangement(4)[0]) for _ in range(200)}
    assert seen == {1, 2, 3}


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_to_pair(n: int) -> None:
    assert derangement(n).tolist() == list(range(n))


def ints(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(KEYS, KEYS, st.integers(0, 1000))
def test_a_partner_differs_if_any_sample_does(keys: list[int], further: list[int], seed: int) -> None:
    """First among the samples, then among the further ones; else it is the sample itself."""
    torch.manual_seed(seed)
    partner, every = differing_partner(ints(keys), ints(further)).tolist(), keys + further
    assert len(partner) == len(keys)
    for row, (key, found) in enumerate(zip(keys, partner, strict=True)):
        inside, outside = ([k for k in range(n) if every[k] != key] for n in (len(keys), len(every)))
        assert found in (inside or outside or [row])


def test_of_different_keys_partners_are_a_derangement() -> None:
    torch.manual_seed(5)
    partner = differing_partner(torch.arange(100, 117), torch.arange(7))
    torch.manual_seed(5)
    assert torch.equal(partner, derangement(17))


@pytest.mark.parametrize(
    ("keys", "further", "allowed"),
    [([0, 0, 0, 1, 2], [1, 2], [3, 4]), ([0, 1, 2, 3, 4], [], [1, 2, 3, 4]), ([0, 0], [0, 1, 1, 0, 2], [3, 4, 6])],
)
def test_all_that_differ_are_equally_likely(keys: list[int], further: list[int], allowed: list[int]) -> None:
    draws = torch.stack([differing_partner(ints(keys), ints(further))[0] for _ in range(4000)])
    counts = draws.bincount(minlength=len(keys) + len(further)).double() / len(draws)
    for position, share in enumerate(counts.tolist()):
        assert abs(share - (position in allowed) / len(allowed)) < 0.03  # four standard deviations


@pytest.mark.parametrize(("keys", "partner"), [([], []), ([5], [0]), ([5, 5], [0, 1]), ([5, 6], [1, 0])])
def test_few_samples(keys: list[int], partner: list[int]) -> None:
    assert differing_partner(ints(keys)).tolist() == partner
    assert differing_partner(ints(keys), ints([5])).tolist() == partner


@settings(max_examples=200, deadline=None, derandomize=True)
@given(KEYS, st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_what_is_drawn_differs_or_is_missing(keys: list[int], pool: list[int]) -> None:
    drawn, missing = draw_differing(ints(keys), ints(pool))
    for key, position, none in zip(keys, drawn.tolist(), missing.tolist(), strict=True):
        assert none == all(other == key for other in pool)
        assert none or pool[position] != key
