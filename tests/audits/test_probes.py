"""Accuracies against scikit-learn and lightly."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightly.utils.benchmarking import knn_predict
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from unlearning_pl.audits import probes
from unlearning_pl.audits.probes import (
    accuracies,
    class_accuracies,
    class_probabilities,
    correct_predictions,
    linear_probe,
    neighbour_accuracies,
    neighbour_hits,
)


def hits(splits):  # noqa: ANN001, ANN201
    return correct_predictions(splits, class_probabilities(splits))


def test_probe_is_fitted_on_retain_alone_with_its_own_scaling(make) -> None:  # noqa: ANN001
    splits = make()
    retain = splits["retain"].features.double().numpy()
    scaler = StandardScaler().fit(retain)
    probe = LogisticRegression(max_iter=2000).fit(scaler.transform(retain), splits["retain"].target.numpy())
    for split in ("retain", "forget", "test"):
        features, target = splits[split].features.double().numpy(), splits[split].target.numpy()
        expected = 100 * np.mean(probe.predict(scaler.transform(features)) == target)
        assert accuracies(hits(splits))[f"{split}_accuracy"] == pytest.approx(expected)
    assert 50 < accuracies(hits(splits))["test_accuracy"] < 100  # else the comparison would show nothing


def test_a_classifier_is_judged_by_its_own_logits(make) -> None:  # noqa: ANN001
    splits = make()
    wrong = F.one_hot((splits["test"].target + 1) % 4, 4).float()
    right = {split: F.one_hot(splits[split].target, 4).float() for split in ("retain", "forget")}
    splits = {split: replace(splits[split], logits=right.get(split, wrong)) for split in splits}
    assert accuracies(hits(splits)) == {
        "retain_accuracy": 100,
        "forget_accuracy": 100,
        "test_accuracy": 0,
    }


def test_neighbours_equal_lightly(make) -> None:  # noqa: ANN001
    splits = make()
    bank, query = splits["retain"], splits["test"]
    ranked = knn_predict(F.normalize(query.features), F.normalize(bank.features).T, bank.target, 4, knn_k=20, knn_t=0.1)
    expected = 100 * (ranked[:, 0] == query.target).double().mean().item()
    assert neighbour_accuracies(neighbour_hits(splits))["test_knn"] == pytest.approx(expected)
    assert 50 < expected < 100


@pytest.mark.parametrize("rows", [4096, 7])
def test_a_retain_image_does_not_vote_for_itself(make, monkeypatch, rows) -> None:  # noqa: ANN001
    monkeypatch.setattr(probes, "_ROWS", rows)  # pieces smaller than the set
    splits = make()
    features, target = F.normalize(splits["retain"].features), splits["retain"].target
    hits = []
    for row in range(len(target)):
        others = torch.arange(len(target)) != row
        ranked = knn_predict(features[row : row + 1], features[others].T, target[others], 4, knn_k=20, knn_t=0.1)
        hits.append(ranked[0, 0] == target[row])
    assert neighbour_accuracies(neighbour_hits(splits))["retain_knn"] == pytest.approx(
        100 * sum(hits).item() / len(hits)
    )
    assert neighbour_accuracies(neighbour_hits(splits, neighbours=1))["retain_knn"] < 100


def test_one_class_in_retain_is_what_the_probe_says(make) -> None:  # noqa: ANN001
    splits = make()
    retain = replace(splits["retain"], target=torch.full((60,), 2))
    predicted = linear_probe({**splits, "retain": retain})
    assert predicted["test"].unique(dim=0).tolist() == [[0, 0, 1, 0]]
    assert accuracies(hits({**splits, "retain": retain}))["test_accuracy"] == 25


def test_accuracy_of_each_class_is_that_of_its_images(make) -> None:  # noqa: ANN001
    splits = make()
    only = splits["test"].target != 3
    splits["test"] = splits["test"].take(only)
    probabilities = class_probabilities(splits)
    found = class_accuracies(splits, probabilities)
    right = hits(splits)
    for split, recall in found.items():
        for number, value in enumerate(recall.tolist()):
            rows = [
                bool(hit) for hit, target in zip(right[split], splits[split].target, strict=True) if target == number
            ]
            assert value == pytest.approx(100 * sum(rows) / len(rows)) if rows else math.isnan(value)
    assert found["test"].isnan().tolist() == [False, False, False, True]


def test_what_needs_retain_images_is_absent_without_them(make) -> None:  # noqa: ANN001
    splits = make(sizes=(0, 3, 4))
    assert accuracies(hits(splits)) == {}
    assert neighbour_hits(splits) == {}
    assert neighbour_hits(make(sizes=(1, 1, 1))).keys() == {"forget", "test"}
