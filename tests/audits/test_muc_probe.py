"""MUC's linear probe: its training by the authors' recipe, and where its images come from."""

from dataclasses import replace

import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import Tensor, nn

from unlearning_pl.audits import compute_audit
from unlearning_pl.audits import muc_probe as module
from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.audits.muc_probe import muc_probe
from unlearning_pl.audits.probes import accuracies, class_probabilities, correct_predictions, linear_probe
from unlearning_pl.errors import InputError
from unlearning_pl.types import Split

NOISE = 2.0


def with_views(splits: dict[Split, Embeddings], noise: float, count: int = 4) -> dict[Split, Embeddings]:
    """The same images with views around their features."""
    features = splits["retain"].features
    draws = torch.Generator().manual_seed(0)
    moved = features[:, None] + noise * torch.randn(len(features), count, features.shape[1], generator=draws)
    return {**splits, "retain": replace(splits["retain"], probe_views=moved.bfloat16())}


def clusters(spread: float) -> dict[Split, Embeddings]:
    """Images around the centres of three classes in eight dimensions."""
    draws = torch.Generator().manual_seed(1)
    centres = 3 * torch.randn(3, 8, generator=draws)

    def images(rows: int) -> Embeddings:
        target = torch.arange(rows) % 3
        features = centres[target] + spread * torch.randn(rows, 8, generator=draws)
        return Embeddings(torch.arange(rows), target, features, features, features, features)

    return {"retain": images(90), "forget": images(30), "test": images(60)}


def retain_accuracy(splits: dict[Split, Embeddings]) -> float:
    return accuracies(correct_predictions(splits, class_probabilities(splits)))["retain_accuracy"]


def test_both_probes_find_separable_classes() -> None:
    splits = clusters(spread=0.3)
    expected = {"retain_accuracy": 100, "forget_accuracy": 100, "test_accuracy": 100}
    for probe in (linear_probe(splits), muc_probe(with_views(splits, 0.1))):
        assert accuracies(correct_predictions(splits, probe)) == expected


def test_augmented_retain_images_lower_the_accuracy_on_clean_ones() -> None:
    splits = clusters(spread=3.0)
    assert retain_accuracy(with_views(splits, NOISE)) < retain_accuracy(with_views(splits, 0.0))
    assert retain_accuracy(with_views(splits, NOISE)) < retain_accuracy(splits)


def test_training_is_the_recipe_of_the_authors() -> None:
    splits = with_views(clusters(spread=3.0), NOISE)
    views, target = splits["retain"].probe_views, splits["retain"].target
    assert views is not None
    torch.manual_seed(7)
    state = torch.get_rng_state()
    found = muc_probe(splits, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    layer = nn.Linear(8, 3)
    velocity: list[Tensor] = [torch.zeros_like(p) for p in layer.parameters()]
    for epoch in range(100):  # 90 images are one batch, whose order is irrelevant
        rate = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * epoch / 100)))
        layer.zero_grad()
        nn.CrossEntropyLoss()(layer(views[:, epoch % 4].float()), target).backward()
        with torch.no_grad():
            for momentum, parameter in zip(velocity, layer.parameters(), strict=True):
                momentum.mul_(0.9).add_(parameter.grad)
                parameter -= rate * momentum
    for split, probabilities in found.items():
        expected = layer(splits[split].features).softmax(dim=1).detach().double()
        torch.testing.assert_close(probabilities, expected, atol=1e-3, rtol=1e-2)


def test_incomplete_batches_are_dropped_and_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = set()

    def recording(scores: Tensor, target: Tensor) -> Tensor:
        sizes.add(len(target))
        return nn.functional.nll_loss(scores.log_softmax(dim=1), target)

    monkeypatch.setattr(module.F, "cross_entropy", recording)
    splits = clusters(spread=3.0)
    many = replace(splits["retain"].take(torch.arange(600) % 90), index=torch.arange(600))
    splits = with_views({**splits, "retain": many}, NOISE)
    first, second, other = (muc_probe(splits, seed)["test"] for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert sizes == {512}


def test_without_views_or_labels_there_is_no_probe_of_muc() -> None:
    splits = clusters(spread=1.0)
    assert muc_probe(splits) == {}
    unlabelled = with_views(splits, 0.1)
    unlabelled["retain"] = replace(unlabelled["retain"], target=torch.full((90,), -1))
    assert muc_probe(unlabelled) == {}


def test_an_audit_with_views_for_the_probe_has_the_same_other_figures() -> None:
    learner, data = make_learner("SimCLR"), make_data()
    trainer = make_trainer(logger=False)
    plain, probed = (trainer.embed({"a": learner}, data, views=2, probe_views=count)["a"] for count in (0, 3))
    features = probed["retain"].probe_views
    assert features is not None
    assert features.shape == (len(data.positions("retain")), 3, plain["retain"].features.shape[1])
    assert not torch.equal(features[:, 0], features[:, 1])  # each view is drawn by itself
    assert probed["test"].probe_views is None
    assert plain["retain"].probe_views is None
    without, given = compute_audit("a", plain), compute_audit("a", probed)
    probe_decides = ("_accuracy", "classifier_mi", "population_")
    same = [key for key in without.metrics if not any(word in key for word in probe_decides)]
    assert {key: given.metrics[key] for key in same} == {key: without.metrics[key] for key in same}
    assert any(given.metrics[key] != without.metrics[key] for key in without.metrics)


def test_a_model_with_class_scores_needs_no_probe() -> None:
    with pytest.raises(InputError, match="Expected an encoder for MUC's linear probe"):
        make_trainer(logger=False).embed({"a": make_learner("Classifier")}, make_data(), views=2, probe_views=3)
