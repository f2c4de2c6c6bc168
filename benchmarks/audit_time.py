"""Time of each part of an audit of one model, from synthetic embeddings.

    python benchmarks/audit_time.py [--retain 9000 --test 6000 --forget 3000 --dim 128 --repeats 3]

Parts run in turns, so that a slow minute of the machine falls on all of them alike; the table has medians. The images
are those of an overfitted encoder: the centre of a class with noise, of which the members have less.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from unlearning_pl.audits import attacks, confidence, membership, probes, tsne_map
from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.functional.threshold_attack import pair_similarities
from unlearning_pl.types import Split


def synthetic_embeddings(
    sizes: dict[Split, int], dim: int, classes: int = 10, views: int = 10, seed: int = 0
) -> dict[Split, Embeddings]:
    """Embeddings of images whose features are the centre of their class plus noise, smaller for members."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dim, generator=generator)
    splits: dict[Split, Embeddings] = {}
    for split, size in sizes.items():
        target = torch.randint(classes, (size,), generator=generator)
        noise = 3.5 if split == "test" else 3.0
        features = centres[target] + noise * torch.randn(size, dim, generator=generator)
        augmented = features[:, None] + torch.randn(size, views, dim, generator=generator)
        index = torch.arange(size)
        similarities = pair_similarities(augmented)
        splits[split] = Embeddings(index, target, features, similarities, augmented[:, 0], augmented[:, 1])
    return splits


def parts_of(splits: dict[Split, Embeddings]) -> dict[str, Callable[[], Any]]:
    """The parts of :func:`unlearning_pl.audits.compute_audit` that take time, by name."""
    probabilities = probes.linear_probe(splits)
    hits = probes.correct_predictions(splits, probabilities)
    scores = membership.membership_scores(splits)
    learned = membership.learned_scores(splits)
    utility = attacks.measure_utility(splits, hits, probes.neighbour_hits(splits))
    return {
        "linear probe": lambda: probes.linear_probe(splits),
        "k nearest neighbours": lambda: probes.neighbour_hits(splits),
        "support vector machines": lambda: confidence.confidence_attacks(splits, probabilities),
        "threshold attack": lambda: membership.membership(scores),
        "its intervals": lambda: membership.membership_intervals(scores),
        "learned attackers": lambda: membership.learned_scores(splits),
        "their intervals": lambda: membership.learned_attacks(learned),
        "population attack": lambda: confidence.population_attack(splits, probabilities),
        "evidence of the verdict": lambda: attacks.collect_evidence(splits, scores, learned, utility),
        "t-SNE map": lambda: tsne_map.embedding_map(splits),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("retain", 9000), ("test", 6000), ("forget", 3000), ("dim", 128), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    sizes: dict[Split, int] = {"retain": options.retain, "test": options.test, "forget": options.forget}
    parts = parts_of(synthetic_embeddings(sizes, options.dim))
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(options.repeats):
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        print(f"{name:26} {median(times):8.2f} s   ({min(times):.2f} to {max(times):.2f})")
    print(f"{'sum of the medians':26} {sum(median(times) for times in seconds.values()):8.2f} s")


if __name__ == "__main__":
    main()
