"""Scores of audits under autocast: a model may be embedded in half precision, its similarities are not rounded."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unlearning_pl.audits.same_training import is_same_training
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.functional.alignment import alignment_matrix
from unlearning_pl.functional.threshold_attack import pair_similarities


@pytest.mark.parametrize(
    "similarities", [lambda rows: pair_similarities(rows[:, None] + rows), lambda rows: alignment_matrix(rows, rows)]
)
def test_similarities_are_those_of_full_precision(similarities: Callable[[Tensor], Tensor]) -> None:
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = similarities(rows)
    assert found.dtype == torch.float32
    assert torch.equal(found, similarities(rows))


def test_scores_in_bfloat16_can_be_compared() -> None:
    one, other = torch.rand(2, 60, generator=torch.Generator().manual_seed(0)).bfloat16()
    evidence = [Evidence({"mean": (scores[:30], scores[30:])}) for scores in (one, other)]
    assert is_same_training(evidence[0], evidence[0])
    assert not is_same_training(*evidence)
