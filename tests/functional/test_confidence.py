"""Scores from class probabilities against loops in plain Python and against scipy."""

from collections.abc import Callable
from math import exp, log

import pytest
import scipy.stats
import torch
from torch import Tensor

from unlearning_pl.functional.confidence import confidence, correctness, entropy, modified_entropy, scaled_logit

SCORES = [confidence, correctness, entropy, modified_entropy, scaled_logit]


def answers(rows: int = 40, classes: int = 5, scale: float = 2.0) -> tuple[Tensor, Tensor, Tensor]:
    logits = scale * torch.randn(rows, classes, dtype=torch.float64)
    return logits, logits.softmax(dim=1), torch.randint(classes, (rows,))


def test_confidence_and_correctness_are_those_of_each_row() -> None:
    _, probabilities, target = answers()
    rows = list(zip(probabilities.tolist(), target.tolist(), strict=True))
    assert confidence(probabilities, target).tolist() == [p[y] for p, y in rows]
    assert correctness(probabilities, target).tolist() == [float(p[y] == max(p)) for p, y in rows]
    assert 0 < correctness(probabilities, target).mean() < 1


def test_entropy_equals_scipy() -> None:
    _, probabilities, target = answers()
    torch.testing.assert_close(entropy(probabilities, target), torch.tensor(scipy.stats.entropy(probabilities, axis=1)))


def modified_by_loop(probabilities: Tensor, target: Tensor) -> list[float]:
    found = []
    for p, y in zip(probabilities.tolist(), target.tolist(), strict=True):
        others = sum(q * log(1 - q) for c, q in enumerate(p) if c != y)
        found.append(-(1 - p[y]) * log(p[y]) - others)
    return found


def test_modified_entropy_equals_the_loop() -> None:
    _, probabilities, target = answers()
    assert modified_entropy(probabilities, target).tolist() == pytest.approx(modified_by_loop(probabilities, target))


def test_modified_entropy_of_a_row_does_not_look_at_the_classes_of_others() -> None:
    # Indexing columns by the classes of the whole batch gives every row the true classes of all rows; and log p in
    # the place of log(1 - p) would make a sure and right answer cost something.
    _, probabilities, target = answers(rows=6, classes=4)
    alone = [modified_entropy(p[None], y[None]).item() for p, y in zip(probabilities, target, strict=True)]
    assert modified_entropy(probabilities, target).tolist() == pytest.approx(alone)
    assert len(set(target.tolist())) > 1
    sure = torch.tensor([[0.998, 0.001, 0.001]])
    assert modified_entropy(sure, torch.tensor([0])).item() == pytest.approx(0.000006, abs=1e-6)


def test_modified_entropy_falls_with_the_true_class_and_rises_with_a_wrong_one() -> None:
    share = torch.linspace(0.05, 0.95, 19)
    probabilities = torch.stack([share, 1 - share], dim=1)
    assert (modified_entropy(probabilities, torch.zeros(19, dtype=torch.long)).diff() < 0).all()
    assert (modified_entropy(probabilities, torch.ones(19, dtype=torch.long)).diff() > 0).all()


def test_scaled_logit_is_the_log_odds() -> None:
    logits, probabilities, target = answers()
    own = confidence(probabilities, target)
    torch.testing.assert_close(scaled_logit(logits, target), (own / (1 - own)).log())


def test_scaled_logit_equals_the_loop_and_ignores_a_common_shift() -> None:
    logits, _, target = answers(scale=1.0)
    rows = zip(logits.tolist(), target.tolist(), strict=True)
    expected = [z[y] - log(sum(exp(v) for c, v in enumerate(z) if c != y)) for z, y in rows]
    assert scaled_logit(logits, target).tolist() == pytest.approx(expected)
    torch.testing.assert_close(scaled_logit(logits + 50, target), scaled_logit(logits, target))


def test_scaled_logit_of_a_confident_model_is_finite_in_float32() -> None:
    logits, target = torch.tensor([[80.0, -90.0, -90.0], [3e4, 0.0, 0.0]]), torch.tensor([0, 1])
    assert logits.softmax(dim=1)[0, 0] == 1  # the odds of these probabilities would be infinite
    assert scaled_logit(logits, target).tolist() == pytest.approx([170 - log(2), -3e4])


def test_certain_answers_are_finite() -> None:
    probabilities, target = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    for score in (confidence, correctness, entropy, modified_entropy):
        assert score(probabilities, target).isfinite().all()
    right, wrong = modified_entropy(probabilities, target).tolist()
    assert right == 0
    assert wrong > 100


def test_half_precision_is_widened() -> None:
    _, probabilities, target = answers()
    for score in SCORES:
        assert score(probabilities.half(), target).dtype == torch.float32


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("values", "target", "message"),
    [
        (torch.ones(3), torch.zeros(3, dtype=torch.long), r"\(N, K\)"),
        (torch.ones(3, 2), torch.zeros(2, dtype=torch.long), "one row and one class"),
        (torch.ones(3, 2), torch.tensor([0, 1, 2]), "from 0 to 1, got 0 to 2"),
        (torch.ones(3, 2), torch.tensor([0, 1, -1]), "got -1 to 1"),
    ],
)
def test_shapes_and_classes_are_checked(
    score: Callable[..., Tensor], values: Tensor, target: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score(values, target)


def test_odds_need_two_classes() -> None:
    with pytest.raises(ValueError, match="two classes"):
        scaled_logit(torch.ones(2, 1), torch.zeros(2, dtype=torch.long))
