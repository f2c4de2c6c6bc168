"""Near duplicates, against all cosines at once and against numpy's correlation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlearning_pl.functional import duplicates
from unlearning_pl.functional.duplicates import near_duplicates, thumbnails

QUICK = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def brute(first: Tensor, second: Tensor, threshold: float) -> list[tuple[float, int, int]]:
    """Every pair by a plain loop, in the order that is promised."""
    found = []
    for i, x in enumerate(first.double()):
        for j, y in enumerate(second.double()):
            length = (x.norm() * y.norm()).item()
            cosine = (x @ y).item() / length if length else 0.0
            if cosine >= threshold:
                found.append((-cosine, i, j))
    return sorted(found)


@QUICK
@given(
    n=st.integers(0, 12),
    m=st.integers(0, 12),
    chunk=st.integers(1, 13),
    most=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_blocks_find_what_a_loop_finds(n: int, m: int, chunk: int, most: int, seed: int) -> None:
    # Directions along axes: cosines are 0, 1 and halves apart, so that there are ties and no rounding.
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.tensor([[1.0, 0, 0, 0], [2.0, 0, 0, 0], [0, 3.0, 0, 0], [1, 1, 1, 1], [1, 1, 1, -1], [0, 0, 0, 0]])
    first = vectors[torch.randint(6, (n,), generator=generator)]
    second = vectors[torch.randint(6, (m,), generator=generator)]
    expected = brute(first, second, 0.5)
    found = near_duplicates(first, second, 0.5, most=most, chunk=chunk)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == [(i, j) for _, i, j in expected][:most]
    assert found.similarity.tolist() == [-cosine for cosine, *_ in expected][:most]
    assert found.total == len(expected)
    assert found.of_first.nonzero().flatten().tolist() == sorted({i for _, i, _ in expected})
    assert found.of_second.nonzero().flatten().tolist() == sorted({j for *_, j in expected})


def test_vectors_of_a_model() -> None:
    first, second = torch.randn(70, 6), torch.randn(90, 6) + 0.3
    expected = brute(first, second, 0.7)
    found = near_duplicates(first, second, 0.7, chunk=32)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(i, j) for _, i, j in expected]
    assert found.similarity.tolist() == pytest.approx([-cosine for cosine, *_ in expected], abs=1e-5)
    scaled = near_duplicates(3 * first, second / 7, 0.7)
    assert torch.equal(scaled.first, found.first)


def test_copies_are_found_at_a_threshold_of_one() -> None:
    vectors = torch.randn(500, 48)
    found = near_duplicates(vectors, vectors.clone(), 1.0)
    assert found.first.sort().values.tolist() == list(range(500))
    assert torch.equal(found.first, found.second)
    assert near_duplicates(vectors, vectors + 0.01 * torch.randn(500, 48), 1.0).total == 0


def test_cosines_are_never_held_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, whole = [], duplicates._most_similar
    monkeypatch.setattr(duplicates, "_most_similar", lambda r, s, m: sizes.append(len(s)) or whole(r, s, m))
    same = torch.ones(300, 4)  # an encoder that tells nothing apart
    found = near_duplicates(same, same, 0.9, most=50, chunk=20)
    assert found.total == 300 * 300
    assert max(sizes) <= 50 + 20 * 20
    assert found.first.tolist() == [0] * 50
    assert found.second.tolist() == list(range(50))


@pytest.mark.parametrize(
    ("first", "second", "threshold", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), 0.9, r"\(N, D\) and \(M, D\), got \(2, 3\) and \(2, 4\)"),
        (torch.zeros(3), torch.zeros(2, 3), 0.9, r"got \(3,\)"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, r"above 0 and up to 1, got 0.0"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 1.1, r"got 1.1"),
        (torch.zeros(2, 3), torch.zeros(2, 3), float("nan"), r"got nan"),
    ],
)
def test_what_cannot_be_compared_is_refused(first: Tensor, second: Tensor, threshold: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        near_duplicates(first, second, threshold)


def test_thumbnails_compare_as_a_correlation_of_gray_pixels() -> None:
    images = torch.rand(5, 3, 16, 16)
    expected = np.corrcoef(images.mean(dim=1).flatten(1).numpy())
    found = thumbnails(images)
    assert found.shape == (5, 256)
    np.testing.assert_allclose((found @ found.T).numpy(), expected, atol=1e-5)


def test_brightness_contrast_and_size_do_not_matter() -> None:
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4), (64, 64), mode="bicubic")
    larger = torch.nn.functional.interpolate(smooth, (96, 96), mode="bicubic")
    original, brighter, resized = (thumbnails(image)[0] for image in (smooth, 0.4 * smooth + 0.3, larger))
    assert original @ brighter == pytest.approx(1, abs=1e-5)
    assert original @ resized > 0.99
    assert original @ thumbnails(torch.rand(1, 3, 64, 64))[0] < 0.5


@pytest.mark.parametrize("shade", [0.0, 0.1, 1 / 3, 255.0])
def test_one_colour_is_like_no_other(shade: float) -> None:
    assert thumbnails(torch.full((1, 3, 33, 20), shade)).abs().sum() == 0
