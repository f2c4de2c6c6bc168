"""Groups of items that are linked by values they have in common.

Letters: N items, M pairs of an item and a value.
"""

import torch
from torch import Tensor


def connected_groups(item: Tensor, value: Tensor, items: int) -> Tensor:
    """Group items so that any two with a value in common, or linked by a chain of such pairs, are in one group.

    Args:
        item: Item of each pair, ``(M,)`` int64.
        value: Value of each pair, ``(M,)`` int64.
        items: N.

    Returns:
        Group of each item, ``(N,)`` int64: the number of its first item.

    Example:
        >>> connected_groups(torch.tensor([0, 1, 1, 2, 3]), torch.tensor([5, 5, 6, 6, 7]), items=4)
        tensor([0, 0, 0, 3])
    """
    _, value = torch.unique(value, return_inverse=True)
    groups = torch.arange(items)
    while True:
        first = groups.new_full((len(value),), items).scatter_reduce(0, value, groups[item], "amin")
        joined = groups.scatter_reduce(0, item, first[value], "amin")
        joined = joined[joined]  # halves the length of a chain
        if torch.equal(joined, groups):
            return groups
        groups = joined
