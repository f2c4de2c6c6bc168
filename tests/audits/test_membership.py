"""Membership metrics from their parts."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from unlearning_pl.audits.membership import membership, membership_scores, threshold


def test_scores_tell_remembered_from_unseen_images(make) -> None:  # noqa: ANN001
    scores = membership_scores(make(forget=1.0))
    assert {split: len(values) for split, values in scores.items()} == {
        "retain": 60,
        "forget": 24,
        "test": 40,
    }
    metrics = membership(scores)
    labels = [1] * 24 + [0] * 40
    expected = roc_auc_score(labels, torch.cat([scores["forget"], scores["test"]]).numpy())
    assert metrics["membership_auc"] == pytest.approx(expected, abs=1e-6)
    assert metrics["membership_auc"] > 0.8
    assert metrics["encoder_mi"] < 30


def test_forgotten_images_look_unseen_and_over_forgotten_ones_less_familiar(make) -> None:  # noqa: ANN001
    forgotten = membership(membership_scores(make(forget=0.0)))
    assert forgotten["membership_auc"] == pytest.approx(0.5, abs=0.15)
    assert forgotten["encoder_mi"] > 70
    assert membership(membership_scores(make(forget=-3.0)))["membership_auc"] < 0.2


@pytest.mark.parametrize("sizes", [(60, 24, 40), (10, 24, 40)])
def test_retain_and_test_are_compared_in_equal_numbers(make, sizes) -> None:  # noqa: ANN001
    scores = membership_scores(make(sizes=sizes))
    metrics = membership(scores)
    assert metrics["membership_auc_retain"] > 0.8
    limit = threshold(scores)
    assert metrics["encoder_mi"] == pytest.approx(100 * (scores["forget"] < limit).double().mean().item())


def test_true_positive_rates_need_enough_test_images() -> None:
    scores = {"forget": torch.tensor([0.5, 2.0]), "test": torch.linspace(0, 1, 100)}
    assert membership(scores)["tpr_at_1_fpr"] == 50
    assert "tpr_at_0.1_fpr" not in membership(scores)
    scores["test"] = torch.linspace(0, 1, 1000)
    assert membership(scores)["tpr_at_0.1_fpr"] == 50
    assert not {"tpr_at_1_fpr", "tpr_at_0.1_fpr"} & set(membership({**scores, "test": torch.rand(99)}))


def test_what_lacks_its_images_is_absent(make) -> None:  # noqa: ANN001
    scores = membership_scores(make(sizes=(60, 0, 40)))
    assert set(membership(scores)) == {"membership_auc_retain"}
    assert set(membership({"forget": scores["test"]})) == set()
    assert threshold({"forget": scores["test"]}) is None
