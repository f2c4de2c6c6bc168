"""Quantities of the bound of contrastive learning, against plain loops and an exhaustive search."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from unlearning_pl.functional.augmentation_concentration import (
    augmented_distances,
    centre_distances,
    main_part_fractions,
    unstable_fractions,
)


def test_the_augmented_distance_is_that_of_the_nearest_views() -> None:
    views = torch.randn(5, 3, 4)
    found = augmented_distances(views)
    for one in range(5):
        for other in range(5):
            pairs = [np.linalg.norm(a - b) for a in views[one].numpy() for b in views[other].numpy()]
            assert float(found[one, other]) == pytest.approx(0 if one == other else min(pairs), rel=1e-5)


def test_near_images_keep_their_distance() -> None:
    """Distances by matrix products would lose it: 1e-3 beside norms of 1e2."""
    views = torch.full((30, 1, 2), 100.0)
    views[:, 0, 0] += 1e-3 * torch.arange(30)
    known = (views[:, 0, 0, None] - views[:, 0, 0]).abs()
    torch.testing.assert_close(augmented_distances(views), known, rtol=1e-5, atol=0)


def largest_part(distances: Tensor, delta: float) -> int:
    for size in range(len(distances), 1, -1):
        for part in combinations(range(len(distances)), size):
            if all(distances[i, j] <= delta for i, j in combinations(part, 2)):
                return size
    return 1


def test_the_main_part_is_one_and_near_the_largest() -> None:
    """No part is larger than the maximum clique; on points of a line, and at both ends, the bound is near it."""
    short = 0.0
    for seed in range(20):
        points = torch.rand(7, 2, generator=torch.Generator().manual_seed(seed)).double()
        distances = torch.cdist(points, points)
        deltas = torch.linspace(0, float(distances.max()), 9, dtype=torch.float64)
        found = main_part_fractions(distances, deltas)
        known = torch.tensor([largest_part(distances, float(delta) + 1e-12) / 7 for delta in deltas])
        assert bool((found <= known + 1e-9).all())
        assert bool((found.diff() >= 0).all())
        assert float(found[0]) == pytest.approx(1 / 7)
        assert float(found[-1]) == 1
        short += float((known - found).mean()) / 20
    assert 0 < short < 0.1


def test_a_single_image_is_its_own_main_part_and_two_share_one_where_they_are_near() -> None:
    pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert main_part_fractions(pair, torch.tensor([0.9, 1.0])).tolist() == [0.5, 1]
    assert main_part_fractions(torch.zeros(1, 1), torch.tensor([0.0, 1.0])).tolist() == [1, 1]


def test_unstable_images_have_two_far_views() -> None:
    features = torch.nn.functional.normalize(torch.randn(6, 4, 3, dtype=torch.float64), dim=2)
    pairs = list(combinations(range(4), 2))
    similarities = torch.stack([(features[:, i] * features[:, j]).sum(1) for i, j in pairs], dim=1)
    epsilons = torch.linspace(0, 2, 7, dtype=torch.float64)
    farthest = [max(float((row[i] - row[j]).norm()) for i, j in pairs) for row in features]
    known = [sum(far > epsilon for far in farthest) / 6 for epsilon in epsilons.tolist()]
    np.testing.assert_allclose(unstable_fractions(similarities, epsilons), known)
    assert unstable_fractions(torch.ones(3, 1) + 1e-7, torch.zeros(1)).tolist() == [0]  # a cosine above 1 is rounding


def test_centres_are_means_of_normalised_features() -> None:
    features, target = torch.randn(9, 4, dtype=torch.float64), torch.tensor([3, 3, 5, 5, 5, 9, 9, 9, 9])
    rows = (features / features.norm(dim=1, keepdim=True)).numpy()
    centres = [rows[(target == number).numpy()].mean(0) for number in (3, 5, 9)]
    known = [np.linalg.norm(a - b) for a, b in combinations(centres, 2)]
    np.testing.assert_allclose(centre_distances(10 * features, target), known)


def test_views_without_an_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected views \(N, V, D\) with V >= 1, got \(3, 4\)"):
        augmented_distances(torch.zeros(3, 4))
