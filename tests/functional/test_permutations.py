import pytest
import torch

from unlearning_pl.functional.permutations import derangement


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
