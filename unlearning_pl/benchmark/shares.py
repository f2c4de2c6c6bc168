"""Shares of a benchmark: the pairs of plan and seed that one job of an array makes."""

import re
from collections.abc import Sequence

from unlearning_pl.errors import quote, require


def parse_share(text: str) -> tuple[int, int]:
    """Read ``K/N``: share K of N, from 1.

    Raises:
        InputError: If it is something else.

    Example:
        >>> parse_share("2/3")
        (2, 3)
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    require(
        1 <= number <= count,
        f"Expected --share K/N with K from 1 to N, got {quote(text)}. Give 1/2 and 2/2 to two jobs, for instance.",
    )
    return number, count


def share_seeds(plans: int, seeds: Sequence[int], share: tuple[int, int]) -> list[list[int]]:
    """Seeds of each plan in a share: of the pairs of plan and seed, the K-th and every N-th after it.

    Args:
        plans: Number of plans.
        seeds: Seeds of each plan.
        share: K and N.

    Example:
        >>> share_seeds(2, [0, 1, 2], (1, 2)), share_seeds(2, [0, 1, 2], (2, 2))
        ([[0, 2], [1]], [[1], [0, 2]])
    """
    number, count = share
    return [
        [seed for place, seed in enumerate(seeds) if (plan * len(seeds) + place) % count == number - 1]
        for plan in range(plans)
    ]
