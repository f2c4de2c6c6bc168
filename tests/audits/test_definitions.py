"""EMIA, CMIA and the gap against calculations of their own, by the definitions, from the same pictures' vectors."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from unlearning_pl.audits import Embeddings, compute_audit, compute_audits
from unlearning_pl.functional.threshold_attack import equal_sizes, pair_similarities
from unlearning_pl.metrics import ClassifierMI, EncoderMI
from unlearning_pl.types import Split

SIZES: dict[Split, int] = {"retain": 50, "forget": 20, "test": 40}
MEMORY = {"retain": 1.0, "forget": 0.6, "test": 0.2}


def vectors(seed: int) -> dict[Split, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ten views of each image, class scores, and classes."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for split, n in SIZES.items():
        image = torch.randn(n, 1, 6, generator=generator)
        views = image + (1.4 - MEMORY[split]) * torch.randn(n, 10, 6, generator=generator)
        target = torch.arange(n) % 3
        logits = torch.randn(n, 3, generator=generator)
        logits[torch.arange(n), target] += 2 * MEMORY[split]
        found[split] = (views, logits, target)
    return found


def embedded(raw: dict[Split, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> dict[Split, Embeddings]:
    return {
        split: Embeddings(
            torch.arange(len(views)), target, views.mean(1), pair_similarities(views), views[:, 0], views[:, 1], logits
        )
        for split, (views, logits, target) in raw.items()
    }


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def emia(raw: dict[Split, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> float:
    """MUC's protocol, word for word: 45 pairs, 500 bins of [0, 1], accuracy on equal numbers, the first best edge."""
    scores = {
        split: [np.mean([cosine(a, b) for a, b in itertools.combinations(image, 2)]) for image in views.tolist()]
        for split, (views, _, _) in raw.items()
    }
    rows, _ = equal_sizes(torch.arange(SIZES["retain"]), torch.arange(SIZES["test"]))
    members, non_members = [sorted(scores["retain"])[row] for row in rows], scores["test"]
    best, threshold = -1, math.nan
    for edge in np.linspace(0, 1, 501):
        right = sum(s >= edge for s in members) + sum(s < edge for s in non_members)
        if right > best:
            best, threshold = right, edge
    return 100 * sum(s < threshold for s in scores["forget"]) / SIZES["forget"]


def cmia(raw: dict[Split, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> float:
    confidences = {}
    for split, (_, logits, target) in raw.items():
        rows = zip(logits.tolist(), target.tolist(), strict=True)
        confidences[split] = np.array([[math.exp(z[y]) / sum(map(math.exp, z))] for z, y in rows])
    rows, _ = equal_sizes(torch.arange(SIZES["retain"]), torch.arange(SIZES["test"]))
    seen = np.concatenate([np.sort(confidences["retain"], axis=0)[rows.numpy()], confidences["test"]])
    machine = SVC(C=3, kernel="rbf", gamma="auto").fit(seen, [1] * SIZES["test"] + [0] * SIZES["test"])
    return 100 * float(np.mean(machine.predict(confidences["forget"]) == 0))


@pytest.mark.parametrize("seed", range(3))
def test_emia_and_cmia_are_those_of_the_definitions(seed: int) -> None:
    raw = vectors(seed)
    metrics = compute_audit("ac", embedded(raw)).metrics
    assert metrics["encoder_mi"] == pytest.approx(emia(raw))
    assert metrics["classifier_mi"] == pytest.approx(cmia(raw))
    assert 0 < metrics["encoder_mi"] < 100  # else anything would agree
    assert 0 < metrics["classifier_mi"] < 100


def test_the_population_attack_is_the_loss_of_the_true_class() -> None:
    raw = vectors(0)
    losses = {s: torch.nn.functional.cross_entropy(z, y, reduction="none") for s, (_, z, y) in raw.items()}
    labels = [1] * SIZES["forget"] + [0] * SIZES["test"]
    expected = roc_auc_score(labels, -torch.cat([losses["forget"], losses["test"]]).numpy())
    assert compute_audit("ac", embedded(raw)).metrics["population_auc"] == pytest.approx(expected, abs=1e-6)


def test_the_gap_is_the_mean_of_the_five_distances() -> None:
    models = {name: vectors(seed) for seed, name in enumerate(("ac", "retrained"))}
    audits = compute_audits({name: embedded(raw) for name, raw in models.items()}, retrained="retrained")
    ours, theirs = (models[name] for name in ("ac", "retrained"))
    gaps = [abs(emia(ours) - emia(theirs)), abs(cmia(ours) - cmia(theirs))]
    for split in SIZES:
        accuracy = [100 * np.mean((raw[split][1].argmax(1) == raw[split][2]).tolist()) for raw in (ours, theirs)]
        gaps.append(abs(accuracy[0] - accuracy[1]))
    assert audits[0].metrics["average_gap"] == pytest.approx(np.mean(gaps), abs=1e-4)
    assert audits[1].metrics["average_gap"] == 0


def test_attacks_on_sets_of_one_distribution_say_one_half_within_their_interval() -> None:
    """In about 95 of 100 draws; 40 draws are asked for 33."""
    held = dict.fromkeys(("membership_auc", "population_auc", "membership_auc_vector", "membership_auc_set"), 0)
    for seed in range(40):
        raw = vectors(seed)
        views, logits, target = (torch.cat([raw["forget"][part], raw["test"][part]]) for part in range(3))
        order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
        mixed = (views[order], logits[order], target[order])
        raw |= {"forget": tuple(part[:20] for part in mixed), "test": tuple(part[20:] for part in mixed)}
        intervals = compute_audit("ac", embedded(raw)).intervals
        for key in held:
            low, high = intervals[key]
            held[key] += low <= 0.5 <= high
    assert min(held.values()) >= 33, held


def test_the_metrics_for_any_module_say_what_the_audit_says() -> None:
    raw = vectors(1)
    encoder, classifier = EncoderMI(), ClassifierMI()
    for split, (views, logits, target) in raw.items():
        order = torch.randperm(len(views), generator=torch.Generator().manual_seed(0))
        encoder.update(views[order], split)
        classifier.update(logits.double().softmax(1)[order], target[order], split)
    metrics = compute_audit("ac", embedded(raw)).metrics
    assert encoder.compute().item() == pytest.approx(metrics["encoder_mi"])
    assert classifier.compute().item() == pytest.approx(metrics["classifier_mi"])


def test_a_classifier_that_is_certain_still_gives_its_members_away() -> None:
    """In float32 every probability here is 1; the margins tell members apart."""
    raw = vectors(0)
    for split, ahead in (("forget", 45.0), ("test", 39.0)):
        views, logits, target = raw[split]
        sure = torch.zeros_like(logits)
        sure[torch.arange(len(target)), target] = ahead + logits[:, 0]
        raw[split] = (views, sure, target)
    assert compute_audit("ac", embedded(raw)).metrics["population_auc"] > 0.99


@pytest.mark.parametrize("few", [1, 2, 5])
def test_few_images_have_no_interval_that_would_be_too_narrow(few: int) -> None:
    splits = embedded(vectors(0))
    audit = compute_audit("ac", splits | {"forget": splits["forget"].take(torch.arange(few))})
    assert audit.intervals == {}
    assert audit.metrics["membership_auc"] != 0.5
    assert audit.verdict is None  # an audit alone has not been compared
