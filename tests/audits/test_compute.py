"""One audit, the comparison of several, and inputs that are ordinary but awkward."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unlearning_pl.audits import Audit, compare, compute_audit, compute_audits, probes
from unlearning_pl.audits.alignment import alignment_heat_map, forget_alignment
from unlearning_pl.audits.compare_models import GAP_METRICS, by_distance, mean_metrics
from unlearning_pl.audits.verdict_settings import VerdictSettings
from unlearning_pl.errors import InputError
from unlearning_pl.functional.alignment import forgetting_score
from unlearning_pl.report.metric_terms import BY_KEY

MEASURED = {
    "retain_accuracy", "forget_accuracy", "test_accuracy", "retain_knn", "forget_knn", "test_knn",
    "encoder_mi", "encoder_mi_bagged", "encoder_mi_vector", "encoder_mi_set",
    "membership_auc", "membership_auc_vector", "membership_auc_set", "membership_auc_retain",
    "classifier_mi", "classifier_mi_correctness", "classifier_mi_entropy", "classifier_mi_modified_entropy",
    "classifier_mi_probabilities", "population_auc", "forget_alignment",
    "retain_loss", "forget_loss", "test_loss",
}  # fmt: skip


def test_everything_is_measured_and_has_a_name_in_words(make) -> None:  # noqa: ANN001
    audit = compute_audit("ac", make(0.4), seconds=2.5)
    assert set(audit.metrics) == MEASURED | {"seconds"}
    assert set(audit.metrics) | {"tpr_at_1_fpr", "average_gap", "speed_up", "forgetting_score"} <= set(BY_KEY)
    assert all(type(value) is float for value in audit.metrics.values())
    assert {split: len(scores) for split, scores in audit.scores.items()} == {
        "retain": 60,
        "forget": 24,
        "test": 40,
    }
    assert audit.alignment.shape == (24, 24)
    low, high = audit.intervals["population_auc"]
    assert low < audit.metrics["population_auc"] < high
    aucs = {"membership_auc", "membership_auc_vector", "membership_auc_set", "population_auc"}
    assert set(audit.intervals) == aucs  # too few test images for the rates
    for column, width in (("losses", ()), ("probabilities", ()), ("map", (3,))):
        found = getattr(audit, column)
        assert {split: tuple(rows.shape) for split, rows in found.items()} == {
            split: (count, *width) for split, count in (("retain", 60), ("forget", 24), ("test", 40))
        }


def test_alignment_is_over_all_forget_images_and_the_matrix_over_the_first(make) -> None:  # noqa: ANN001
    splits = make(sizes=(5, 230, 5))
    matrix = alignment_heat_map(splits)
    forget = splits["forget"]
    loop = [torch.dot(a, p) / (a.norm() * p.norm()) for a, p in zip(forget.anchor, forget.positive, strict=True)]
    assert forget_alignment(splits)["forget_alignment"] == pytest.approx(torch.stack(loop).mean().item(), abs=1e-6)
    assert matrix.shape == (200, 200)
    torch.testing.assert_close(matrix.diagonal(), torch.stack(loop[:200]))


def test_comparison_adds_what_is_relative(make) -> None:  # noqa: ANN001
    audits = [
        compute_audit("original", make(1.0), 40.0),
        compute_audit("retrained", make(0.0), 30.0),
        compute_audit("ac", make(0.6), 2.0),
    ]
    original, retrained, unlearned = compare(audits, "original", "retrained")
    gap = ("encoder_mi", "retain_accuracy", "test_accuracy", "forget_accuracy", "classifier_mi")
    loop = sum(abs(unlearned.metrics[key] - retrained.metrics[key]) for key in gap) / 5
    assert unlearned.metrics["average_gap"] == pytest.approx(loop)
    assert 0 < loop < original.metrics["average_gap"]
    assert retrained.metrics["average_gap"] == 0
    assert unlearned.metrics["speed_up"] == 15
    assert "speed_up" not in original.metrics
    expected = forgetting_score(original.alignment, unlearned.alignment).item()
    assert unlearned.metrics["forgetting_score"] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.05
    assert "average_gap" not in audits[2].metrics  # what was given is left as it was


def test_a_gap_counts_in_both_directions() -> None:
    keys = ("encoder_mi", "retain_accuracy", "test_accuracy", "forget_accuracy", "classifier_mi")
    audits = [
        Audit(name, dict.fromkeys(keys, value), {}, torch.zeros(0, 0))
        for name, value in [("r", 50.0), ("a", 60.0), ("b", 40.0)]
    ]
    assert [audit.metrics["average_gap"] for audit in compare(audits, retrained="r")] == [0, 10, 10]


def test_one_of_several_retrained_models_is_compared_with_the_others() -> None:
    """As the floor does: a mean with the model itself is too near to it."""
    seconds = {"a": 10.0, "b": 20.0, "c": 60.0, "ac": 2.0}
    audits = [
        Audit(name, dict.fromkeys(GAP_METRICS, value) | {"seconds": value}, {}, torch.zeros(0, 0))
        for name, value in seconds.items()
    ]
    compared = [audit.metrics for audit in compare(audits, retrained=["a", "b", "c"])]
    assert [metrics["average_gap"] for metrics in compared] == [30, 15, 45, 28]
    assert [metrics["speed_up"] for metrics in compared] == [4, 1.75, 0.25, 15]


def test_a_broken_model_comes_after_the_other_unlearned_ones(make) -> None:  # noqa: ANN001
    models = {"original": make(1.0), "retrained": make(0.0), "ac": make(0.3), "dead": constant(make(0.0))}
    audits = compute_audits(models, original="original", retrained="retrained")
    order = by_distance(audits, ["retrained", "original"])
    assert [audit.name for audit in order] == ["ac", "dead", "original", "retrained"]
    near, far = (audits[place].metrics["retraining_distance"] for place in (3, 2))
    assert near < far


def test_comparison_without_references_adds_nothing(make) -> None:  # noqa: ANN001
    audit = compute_audit("ac", make(), 2.0)
    assert compare([audit])[0].metrics == audit.metrics


def test_an_incomplete_reference_leaves_the_gap_undefined(make) -> None:  # noqa: ANN001
    audits = [compute_audit("retrained", make(sizes=(60, 24, 0))), compute_audit("ac", make())]
    assert not {"average_gap", "speed_up"} & set(compare(audits, retrained="retrained")[1].metrics)


@pytest.mark.parametrize(("original", "retrained"), [("none", None), (None, "none")])
def test_an_unknown_reference_is_named(make, original, retrained) -> None:  # noqa: ANN001
    with pytest.raises(InputError, match="among ac, got none"):
        compare([compute_audit("ac", make())], original, retrained)


def test_two_audits_of_one_name_are_refused(make) -> None:  # noqa: ANN001
    audit = compute_audit("ac", make())
    with pytest.raises(InputError, match="one audit per name"):
        compare([audit, audit])


@pytest.mark.parametrize(("original", "retrained"), [(None, ["a", "b", "a"]), ("a", "a")])
def test_a_reference_has_one_role(make, original, retrained) -> None:  # noqa: ANN001
    """A retrained model that counted twice would make the floor smaller."""
    audits = [compute_audit(name, make()) for name in ("a", "b", "ac")]
    with pytest.raises(InputError, match="different models as references, got a"):
        compare(audits, original, retrained)


def test_level_and_margin_reach_the_verdicts_of_models_and_of_audits(make) -> None:  # noqa: ANN001
    settings, references = VerdictSettings(level=0.01, margin=0.3), {"original": "original", "retrained": "retrained"}
    models = {"original": make(1.0), "retrained": make(0.0), "ac": make(0.1)}
    computed = compute_audits(models, **references, settings=settings)
    compared = compare([compute_audit(name, one) for name, one in models.items()], **references, settings=settings)
    for audits in (computed, compared):
        assert (audits[2].verdict.level, audits[2].verdict.margin) == (0.01, 0.3)
    low, high = compute_audits(models, **references)[2].verdict.interval
    assert computed[2].verdict.interval[0] < low < high < computed[2].verdict.interval[1]
    of_a_kind = compute_audits(models, **references, settings=VerdictSettings(drawn=False))
    assert of_a_kind[2].verdict.reason == "one_reference"


def test_nearest_neighbours_are_searched_once_for_each_split(make, monkeypatch) -> None:  # noqa: ANN001
    """A second search for the verdict took 0.5 s a model with 18 000 images."""
    searched, search = [], probes._knn_predictions

    def count(query: Tensor, *rest: object, **options: object) -> Tensor:
        searched.append(len(query))
        return search(query, *rest, **options)

    monkeypatch.setattr(probes, "_knn_predictions", count)
    audit = compute_audit("ac", make())
    assert searched == [60, 24, 40]
    found = audit.evidence.utility
    assert {key: len(hits) for key, hits in found.items()} == {"test_accuracy": 40, "test_knn": 40}
    percent = {key: 100 * hits.mean().item() for key, hits in found.items()}
    assert percent == pytest.approx({key: audit.metrics[key] for key in found})


def test_a_mean_of_references_needs_all_of_them() -> None:
    """A gap to the mean of two retrained models is not one to a single model."""
    known = {"retrained": {"seconds": 2.0, "drift": 1.0}, "retrained_2": {"seconds": 4.0}}
    audits = [Audit(name, metrics, {}, torch.zeros(0, 0)) for name, metrics in known.items()]
    assert mean_metrics(audits) == mean_metrics(audits[::-1]) == {"seconds": 3.0}
    assert mean_metrics([]) == {}


@pytest.mark.parametrize("field", ["features", "similarities", "anchor", "positive", "logits", "losses"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_refused(make, field, value) -> None:  # noqa: ANN001
    splits = make(logits=True)
    broken = getattr(splits["forget"], field).clone()
    broken.view(-1)[-1] = value
    splits["forget"] = replace(splits["forget"], **{field: broken})
    with pytest.raises(InputError, match=rf"in the {field} of the forget images.*embeddings are not finite \(ac\)"):
        compute_audit("ac", splits)


def constant(splits):  # noqa: ANN001, ANN201
    fields = ("features", "similarities", "anchor", "positive")
    return {k: replace(v, **{f: torch.ones_like(getattr(v, f)) for f in fields}) for k, v in splits.items()}


@pytest.mark.parametrize("sizes", [(60, 1, 40), (10, 24, 40), (60, 24, 1), (1, 1, 1), (60, 0, 40), (0, 3, 0)])
@pytest.mark.parametrize("constant_features", [False, True])
@pytest.mark.parametrize("logits", [False, True])
def test_awkward_sets_give_finite_numbers(make, sizes, constant_features, logits) -> None:  # noqa: ANN001
    models = {"ac": make(sizes=sizes, logits=logits), "retrained": make(sizes=sizes, logits=logits, seed=1)}
    audits = [
        compute_audit(name, constant(splits) if constant_features else splits, seconds=0.0)
        for name, splits in models.items()
    ]
    metrics = compare(audits, "ac", "retrained")[0].metrics
    json.dumps(metrics, allow_nan=False)
    assert ("membership_auc" in metrics) == (sizes[1] > 0 < sizes[2])


def test_constant_features_tell_nothing(make) -> None:  # noqa: ANN001
    metrics = compute_audit("ac", constant(make())).metrics
    assert metrics["membership_auc"] == metrics["membership_auc_retain"] == 0.5
    assert metrics["test_accuracy"] == metrics["test_knn"] == 25


def test_a_single_class_in_test_and_forget(make) -> None:  # noqa: ANN001
    splits = make()
    for split in ("forget", "test"):
        splits[split] = replace(splits[split], target=torch.zeros_like(splits[split].target))
    assert set(compute_audit("ac", splits).metrics) == MEASURED
