"""Attacks by shadow models against scipy, plain loops, and distributions whose best attack is known."""

from functools import partial
from math import log

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from unlearning_pl.functional.roc import membership_auc
from unlearning_pl.functional.shadow_models import (
    MIN_VARIANCE,
    SMOOTHING,
    gaussian_ratio,
    klom,
    leave_one_out,
    relative_membership,
    unlearned_probability,
)


def halves(shadows: int, images: int) -> Tensor:
    """Pairs of shadow models that saw complementary halves, ``(S, N)``."""
    first = torch.rand(shadows // 2, images) < 0.5
    return torch.stack([first, ~first], dim=1).reshape(shadows, images)


def simulated(shadows: int, images: int, effect: float) -> tuple[Tensor, Tensor, Tensor]:
    """How hard each image is, scores (S, N) and what was seen: a seen image scores higher by ``effect`` deviations."""
    base, seen = 3 * torch.randn(images, dtype=torch.float64), halves(shadows, images)
    return base, base + torch.randn(shadows, images, dtype=torch.float64) + effect * seen, seen


@pytest.mark.parametrize("pooled", [False, True])
def test_ratio_equals_scipy(pooled: bool) -> None:
    base, scores, seen = simulated(10, 30, effect=1.0)
    target = base + torch.randn(30, dtype=torch.float64)
    expected = []
    deviations = []
    for kind in (seen, ~seen):
        residuals = [scores[kind[:, n], n].numpy() for n in range(30)]
        squares = sum(((r - r.mean()) ** 2).sum() for r in residuals)
        deviations.append((squares / sum(len(r) - 1 for r in residuals)) ** 0.5)
    for n in range(30):
        parts = []
        for kind, deviation in zip((seen, ~seen), deviations, strict=True):
            own = scores[kind[:, n], n].numpy()
            parts.append(scipy.stats.norm.logpdf(target[n], own.mean(), deviation if pooled else own.std(ddof=1)))
        expected.append(parts[0] - parts[1])
    assert gaussian_ratio(target, scores, seen, pooled).tolist() == pytest.approx(expected)


def test_auc_of_the_ratio_approaches_that_of_the_best_test() -> None:
    # With equal deviations sigma and means d sigma apart the exact log ratio of an image is d z + c, z being its
    # standardised score: N(d^2 / 2, d^2) if seen, N(-d^2 / 2, d^2) if not, for every image alike. Hence the best test
    # has AUC Phi(d^2 / sqrt(2 d^2)) = Phi(d / sqrt 2), while the raw score drowns in how hard images are.
    d, images = 1.5, 3000
    base, scores, seen = simulated(400, images, effect=d)
    known, unknown = base + torch.randn(images) + d, base + torch.randn(images)
    best = scipy.stats.norm.cdf(d / 2**0.5)
    error = (1 / (6 * images)) ** 0.5  # of the AUC of two sets of this size without a difference, which is the largest
    for pooled in (False, True):
        found = membership_auc(
            gaussian_ratio(known, scores, seen, pooled), gaussian_ratio(unknown, scores, seen, pooled)
        )
        assert found.item() == pytest.approx(best, abs=3 * error + 0.005)
    assert membership_auc(known, unknown) < best - 0.1


def test_shared_variance_serves_few_shadow_models_better() -> None:
    gained = []
    for _ in range(5):
        base, scores, seen = simulated(6, 400, effect=1.5)
        known, unknown = base + torch.randn(400) + 1.5, base + torch.randn(400)
        own, pooled = (
            membership_auc(gaussian_ratio(known, scores, seen, way), gaussian_ratio(unknown, scores, seen, way))
            for way in (False, True)
        )
        gained.append((pooled - own).item())
    assert sum(gained) / 5 > 0.02


def test_shadow_models_that_agree_are_kept_apart_by_the_least_variance() -> None:
    scores, seen = torch.tensor([[1.0], [1.0], [0.0], [0.0]]), torch.tensor([[True], [True], [False], [False]])
    ratio = gaussian_ratio(torch.tensor([0.5]), scores, seen)
    assert ratio.item() == 0
    close = gaussian_ratio(torch.tensor([1.0]), scores, seen)
    assert close.item() == pytest.approx(0.5 / MIN_VARIANCE)


@pytest.mark.parametrize("pooled", [False, True])
def test_probability_is_one_density_among_two(pooled: bool) -> None:
    base, scores, seen = simulated(10, 20, effect=0.5)
    ratio = gaussian_ratio(base, scores, seen, pooled)
    expected = [1 / (1 + np.exp(-value)) for value in ratio.tolist()]
    assert unlearned_probability(base, scores, seen, pooled).tolist() == pytest.approx(expected)
    # exchanging the two kinds exchanges the two probabilities
    opposite = unlearned_probability(base, scores, ~seen, pooled)
    torch.testing.assert_close(unlearned_probability(base, scores, seen, pooled) + opposite, torch.ones_like(opposite))


def test_too_few_shadow_models_of_a_kind_are_refused() -> None:
    seen = torch.tensor([[True, True], [True, False], [False, False], [False, False]])
    scores, target = torch.randn(4, 2), torch.randn(2)
    with pytest.raises(ValueError, match="2 or more shadow models that saw it"):
        gaussian_ratio(target, scores, seen)
    assert gaussian_ratio(target, scores, seen, pooled_variance=True).isfinite().all()
    with pytest.raises(ValueError, match="beyond the first"):
        gaussian_ratio(target, scores[[0, 3]], seen[[0, 3]], pooled_variance=True)
    with pytest.raises(ValueError, match="got 0"):
        gaussian_ratio(target, scores, torch.ones_like(seen), pooled_variance=True)


@pytest.mark.parametrize(
    "shapes", [((3,), (4, 2), (4, 2)), ((2,), (4, 2), (4, 3)), ((2,), (2,), (2,)), ((0,), (4, 0), (4, 0))]
)
def test_shapes_of_observations_are_checked(shapes: tuple[tuple[int, ...], ...]) -> None:
    target, scores, seen = (torch.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match="Evaluate all models"):
        gaussian_ratio(target, scores, seen.bool())


@pytest.mark.parametrize(("offset", "gamma"), [(0.3, 1.0), (1.0, 1.0), (0.0, 2.0)])
def test_relative_membership_equals_the_double_loop(offset: float, gamma: float) -> None:
    shadows, images, population = 6, 12, 15
    target_x, reference_x = torch.rand(images).double(), torch.rand(shadows, images).double()
    target_z, reference_z = torch.rand(population).double(), torch.rand(shadows, population).double()
    seen = halves(shadows, images)

    def gain(found: float, references: list[float]) -> float:
        return found / ((1 + offset) / 2 * sum(references) / len(references) + (1 - offset) / 2)

    expected = []
    for n in range(images):
        own = gain(target_x[n].item(), [reference_x[s, n].item() for s in range(shadows) if not seen[s, n]])
        others = [gain(target_z[z].item(), reference_z[:, z].tolist()) for z in range(population)]
        expected.append(sum(own / other > gamma for other in others) / population)
    found = relative_membership(target_x, reference_x, seen, target_z, reference_z, offset, gamma)
    assert found.tolist() == pytest.approx(expected)
    assert 0 < found.mean() < 1


def test_relative_membership_of_equal_gains_is_not_above_them() -> None:
    half = torch.full((2, 3), 0.5)
    unseen = torch.zeros(2, 3, dtype=torch.bool)
    assert relative_membership(half[0], half, unseen, half[0], half).tolist() == [0, 0, 0]
    assert relative_membership(half[0], half, unseen, half[0], half, gamma=0.99).tolist() == [1, 1, 1]
    zero = torch.zeros(3)  # an underflow of a softmax
    assert relative_membership(half[0], half, unseen, zero, half).tolist() == [1, 1, 1]


def test_relative_membership_finds_what_the_model_gained() -> None:
    seen = halves(8, 300)
    hard = torch.rand(300)
    reference = (0.2 + 0.4 * hard + 0.1 * torch.randn(8, 300) + 0.2 * seen).clamp(0.01, 1)
    target = (0.2 + 0.4 * hard + 0.1 * torch.randn(300) + 0.2 * seen[0]).clamp(0.01, 1)
    hard_z = torch.rand(400)
    population = (0.2 + 0.4 * hard_z + 0.1 * torch.randn(9, 400)).clamp(0.01, 1)
    scores = relative_membership(target, reference[1:], seen[1:], population[0], population[1:8])
    assert membership_auc(scores[seen[0]], scores[~seen[0]]) > membership_auc(target[seen[0]], target[~seen[0]]) + 0.05


def test_an_image_that_every_shadow_model_saw_is_refused() -> None:
    ones = torch.ones(2, 3)
    with pytest.raises(ValueError, match="did not see it, got 0"):
        relative_membership(ones[0], ones, ones.bool(), ones[0], ones)
    with pytest.raises(ValueError, match="Evaluate all models"):
        relative_membership(ones[0], ones, ~ones.bool(), torch.ones(0), torch.ones(2, 0))


def test_each_shadow_model_is_attacked_by_the_others() -> None:
    _, scores, seen = simulated(8, 5, effect=1.0)
    found = leave_one_out(partial(gaussian_ratio, pooled_variance=True), scores, seen)
    for s in range(8):
        rest = [r for r in range(8) if r != s]
        torch.testing.assert_close(found[s], gaussian_ratio(scores[s], scores[rest], seen[rest], pooled_variance=True))
    pairs = leave_one_out(partial(gaussian_ratio, pooled_variance=True), scores, seen, groups=torch.arange(8) // 2)
    expected = gaussian_ratio(scores[5], scores[[0, 1, 2, 3, 6, 7]], seen[[0, 1, 2, 3, 6, 7]], pooled_variance=True)
    torch.testing.assert_close(pairs[5], expected)


def test_the_population_is_left_out_with_its_model() -> None:
    scores, seen, population = torch.rand(6, 4), halves(6, 4), torch.rand(6, 9)
    found = leave_one_out(relative_membership, scores, seen, population)
    rest = [0, 1, 3, 4, 5]
    expected = relative_membership(scores[2], scores[rest], seen[rest], population[2], population[rest])
    assert found[2].tolist() == expected.tolist()


def test_pairs_left_out_together_leave_chance_at_one_half() -> None:
    attack, alone, together = partial(gaussian_ratio, pooled_variance=True), [], []
    for _ in range(60):
        _, scores, seen = simulated(8, 60, effect=0.0)
        for found, groups in ((alone, None), (together, torch.arange(8) // 2)):
            answers = leave_one_out(attack, scores, seen, groups=groups)
            found.append(membership_auc(answers[seen], answers[~seen]).item())
    assert sum(together) / 60 == pytest.approx(0.5, abs=0.015)
    assert sum(alone) / 60 < 0.485  # why the pairs exist


def divergence_by_loop(unlearned: list[float], retrained: list[float], bins: int, clip: float) -> float:
    sets = [np.clip(values, -clip, clip) for values in (unlearned, retrained)]
    limits = min(map(min, sets)), max(map(max, sets))
    p, q = (np.histogram(values, bins=bins, range=limits)[0] / len(values) + SMOOTHING for values in sets)
    return float(scipy.stats.entropy(p, q))  # scales both to sum 1


@pytest.mark.parametrize(("bins", "clip"), [(20, 100.0), (5, 1.0)])
def test_klom_equals_a_loop_over_histograms(bins: int, clip: float) -> None:
    unlearned, retrained = torch.randn(12, 8).double(), 0.5 + 2 * torch.randn(9, 8).double()
    expected = [divergence_by_loop(unlearned[:, n].tolist(), retrained[:, n].tolist(), bins, clip) for n in range(8)]
    assert klom(unlearned, retrained, bins, clip).tolist() == pytest.approx(expected)


def test_klom_of_two_known_histograms() -> None:
    # shares 1/4 and 3/4 against 1/2 and 1/2
    unlearned, retrained = torch.tensor([[0.0], [1.0], [1.0], [1.0]]), torch.tensor([[0.0], [1.0]])
    expected = 0.25 * log(0.5) + 0.75 * log(1.5)
    assert klom(unlearned, retrained).item() == pytest.approx(expected, abs=1e-3)


def test_klom_of_equal_sets_is_zero_and_of_separate_ones_large() -> None:
    margins = torch.randn(10, 4)
    assert klom(margins, margins.flip(0)).abs().max() < 1e-6
    assert klom(torch.ones(3, 2), torch.ones(5, 2)).abs().max() < 1e-6  # a range of no width
    assert klom(margins, margins + 50).min() > 10
    assert klom(margins + 150, margins + 300).abs().max() < 1e-6  # both beyond the clip


def test_klom_leaves_out_models_that_do_not_count() -> None:
    scores, seen = torch.randn(10, 6), halves(10, 6)
    scores[~seen] += 1
    found = klom(scores.where(seen, torch.nan), scores.where(~seen, torch.nan))
    for n in range(6):
        alone = klom(scores[seen[:, n], n][:, None], scores[~seen[:, n], n][:, None])
        assert found[n].item() == pytest.approx(alone.item(), abs=1e-6)
    with pytest.raises(ValueError, match="models that count for it, got 0"):
        klom(torch.full((3, 2), torch.nan), scores[:, :2])


@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((3, 2), (3, 4))])
def test_klom_needs_the_same_images(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="same images"):
        klom(torch.zeros(first), torch.zeros(second))
