"""Alignment against plain loops and closed forms."""

import math

import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from unlearning_pl.functional.alignment import alignment_gap, alignment_matrix, forgetting_score


def projections(rows: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    anchor, positive = torch.randn(2, rows, 5, generator=generator)
    return anchor, positive


def test_matrix_equals_cosine_of_scikit_learn() -> None:
    anchor, positive = projections()
    expected = torch.from_numpy(cosine_similarity(anchor.numpy(), positive.numpy()))
    torch.testing.assert_close(alignment_matrix(anchor, positive), expected)


def test_matrix_gap_and_score_equal_a_double_loop() -> None:
    pairs = [projections(), projections(seed=1)]
    loops = [
        [
            [
                sum(x * y for x, y in zip(a, p, strict=True)) / (math.hypot(*a) * math.hypot(*p))
                for p in positive.tolist()
            ]
            for a in anchor.tolist()
        ]
        for anchor, positive in pairs
    ]
    before, after = (alignment_matrix(*pair) for pair in pairs)
    gap, score = alignment_gap(before, after), 0.0
    for i in range(7):
        for j in range(7):
            assert before[i, j].item() == pytest.approx(loops[0][i][j], abs=1e-6)
            assert gap[i, j].item() == pytest.approx(loops[0][i][j] - loops[1][i][j], abs=1e-6)
        score += (loops[0][i][i] - loops[1][i][i]) / 7
    assert forgetting_score(before, after).item() == pytest.approx(score, abs=1e-6)


def test_first_view_runs_along_the_rows() -> None:
    anchor, positive = projections()
    matrix = alignment_matrix(anchor, positive)
    expected = torch.nn.functional.cosine_similarity(anchor[2], positive[5], dim=0)
    torch.testing.assert_close(matrix[2, 5], expected)
    assert not torch.isclose(matrix[5, 2], expected)


def test_scale_of_a_projection_does_not_matter_and_zeros_align_with_nothing() -> None:
    anchor, positive = projections()
    torch.testing.assert_close(alignment_matrix(9 * anchor, positive), alignment_matrix(anchor, positive))
    assert alignment_matrix(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [[0, 0], [0, 0]]


def test_half_precision_is_computed_in_float32() -> None:
    anchor, positive = projections()
    low = alignment_matrix(anchor.bfloat16(), positive.bfloat16())
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, alignment_matrix(anchor.bfloat16().float(), positive.bfloat16().float()))


def test_gap_and_score_against_a_loop() -> None:
    before, after = alignment_matrix(*projections()), alignment_matrix(*projections(seed=1))
    gap = alignment_gap(before, after)
    assert gap[1, 3] == before[1, 3] - after[1, 3]
    loop = sum(before[i, i].item() - after[i, i].item() for i in range(7)) / 7
    assert forgetting_score(before, after).item() == pytest.approx(loop, abs=1e-6)
    assert forgetting_score(after, before).item() == pytest.approx(-loop, abs=1e-6)
    assert forgetting_score(before, before) == 0


@pytest.mark.parametrize(
    ("function", "first", "second", "message"),
    [
        (alignment_matrix, (3, 2), (4, 2), "one shape"),
        (alignment_matrix, (3,), (3,), "one shape"),
        (alignment_gap, (3, 3), (2, 2), "same images"),
        (alignment_gap, (3, 2), (3, 2), "same images"),
        (forgetting_score, (0, 0), (0, 0), "one image or more"),
    ],
)
def test_wrong_shapes_are_named(function, first, second, message) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(first), torch.zeros(second))
