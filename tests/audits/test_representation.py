"""Where a model puts the images, next to the original and to the retrained one."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F

from unlearning_pl.audits import compute_audits
from unlearning_pl.audits.probes import class_probabilities
from unlearning_pl.audits.representation import ModelOutputs, against_original, against_retrained, mean_losses
from unlearning_pl.audits.tsne_map import embedding_map


def witness(splits) -> ModelOutputs:  # noqa: ANN001
    return ModelOutputs(splits, class_probabilities(splits))


def turned(splits, angle: float):  # noqa: ANN001, ANN201
    """The same features in coordinates turned in the plane of the first two."""
    turn = torch.eye(8)
    turn[:2, :2] = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return {split: replace(look, features=look.features @ turn) for split, look in splits.items()}


def test_losses_are_the_means_and_their_change_the_difference(make) -> None:  # noqa: ANN001
    before, after = make(seed=0), make(seed=1)
    change = against_original(witness(after), witness(before))
    for split in ("forget", "test"):
        means = [np.mean(splits[split].losses.tolist()) for splits in (after, before)]
        assert mean_losses(after)[f"{split}_loss"] == pytest.approx(means[0])
        assert change[f"{split}_loss_change"] == pytest.approx(means[0] - means[1], abs=1e-6)


def test_agreement_counts_the_classes_that_both_name(make) -> None:  # noqa: ANN001
    ours, theirs = make(seed=0, logits=True), make(seed=1, logits=True)
    pairs = zip(ours["forget"].logits.tolist(), theirs["forget"].logits.tolist(), strict=True)
    expected = 100 * np.mean([np.argmax(a) == np.argmax(b) for a, b in pairs])
    found = against_retrained(witness(ours), witness(theirs))["agreement_retrained"]
    assert found == pytest.approx(expected)
    assert 0 < found < 100


def test_a_turn_of_the_coordinates_is_drift_from_the_original_only(make) -> None:  # noqa: ANN001
    splits = make()
    model, reference = witness(turned(splits, 0.7)), witness(splits)
    moved = 1 - F.cosine_similarity(model.splits["forget"].features, splits["forget"].features)
    original, retrained = against_original(model, reference), against_retrained(model, reference)
    assert original["drift_original"] == pytest.approx(moved.mean().item(), abs=1e-6)
    assert original["drift_original"] > 0.05
    assert retrained["drift_retrained"] == pytest.approx(0, abs=1e-5)
    assert original["cka_original"] == retrained["cka_retrained"] == pytest.approx(1, abs=1e-5)


def test_the_rotation_is_fitted_to_retain_and_forget(make) -> None:  # noqa: ANN001
    ours, theirs = make(seed=0), make(seed=1)
    x, y = (torch.cat([s["forget"].features, s["retain"].features]).double().numpy() for s in (ours, theirs))
    rotated = x @ scipy.linalg.orthogonal_procrustes(x, y)[0]
    cosines = (rotated * y).sum(1) / np.linalg.norm(rotated, axis=1) / np.linalg.norm(y, axis=1)
    found = against_retrained(witness(ours), witness(theirs))["drift_retrained"]
    assert found == pytest.approx(1 - cosines[:24].mean(), abs=1e-5)


def test_models_of_another_width_have_no_drift_but_alignment(make) -> None:  # noqa: ANN001
    ours, theirs = make(), {k: replace(v, features=v.features[:, :5]) for k, v in make().items()}
    found = against_retrained(witness(ours), witness(theirs))
    assert {"cka_retrained", "agreement_retrained"} == set(found)


def test_references_are_not_compared_with_themselves(make) -> None:  # noqa: ANN001
    models = {"original": make(1.0), "retrained": make(0.0), "ac": make(0.5)}
    original, retrained, model = (
        audit.metrics for audit in compute_audits(models, {}, (), original="original", retrained="retrained")
    )
    assert {"cka_original", "drift_original", "cka_retrained", "forget_loss_change"} <= set(model)
    assert not {"cka_original", "forget_loss_change"} & set(original)
    assert not {"cka_retrained", "agreement_retrained"} & set(retrained)
    assert "agreement_retrained" in original
    assert "cka_original" in retrained


def test_the_map_keeps_neighbours_together(make) -> None:  # noqa: ANN001
    splits = make(sizes=(500, 40, 150))
    points = embedding_map(splits)
    assert {split: len(rows) for split, rows in points.items()} == {"retain": 300, "test": 100, "forget": 40}
    rows = torch.cat(list(points.values()))
    nearest = torch.cdist(rows[:, :2], rows[:, :2]).fill_diagonal_(torch.inf).argmin(dim=1)
    assert (rows[nearest, 2] == rows[:, 2]).float().mean() > 0.6  # of four classes
    again = embedding_map(splits)
    assert all(torch.equal(points[split], again[split]) for split in points)
    assert embedding_map(make(sizes=(3, 2, 4))) == {}
