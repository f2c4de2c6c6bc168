import pytest

from unlearning_pl.functional.step_search import smallest_sufficient_step


@pytest.mark.parametrize("needed", [0.02, 0.7, 1.0, 3.3, 40.0])
def test_it_ends_within_a_bisected_interval_of_the_step_that_is_needed(needed: float) -> None:
    tried: list[float] = []

    def is_enough(step: float) -> bool:
        tried.append(step)
        return step >= needed

    found = smallest_sufficient_step(is_enough, first=1.0, tries=20)
    assert found is not None
    assert found == min(step for step in tried if step >= needed)
    short = max([step for step in tried if step < needed], default=0.0)
    assert found - short == pytest.approx(0, abs=40 * 0.5**13)  # six doublings at most, the rest halve
    assert len(tried) == len(set(tried)) == 20


def test_what_is_never_enough_is_told() -> None:
    tried: list[float] = []
    assert smallest_sufficient_step(lambda step: bool(tried.append(step)), first=0.5, tries=4) is None
    assert tried == [0.5, 1.0, 2.0, 4.0]
