"""Sets of scores that the tests of attacks share."""

import torch
from torch import Tensor


def normal(rows: int, mean: float = 0.0, seed: int = 0) -> Tensor:
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed)) + mean


def tied(seed: int, rows: int | None = None) -> Tensor:
    """Scores with few distinct values, so that ties are common."""
    generator = torch.Generator().manual_seed(seed)
    rows = rows or int(torch.randint(1, 13, (), generator=generator))
    return torch.randint(7, (rows,), generator=generator) / 8


def labelled(members: Tensor, non_members: Tensor) -> tuple[list[int], list[float]]:
    return [1] * len(members) + [0] * len(non_members), [*members.tolist(), *non_members.tolist()]
