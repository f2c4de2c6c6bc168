"""Losses straight from their formulas, with plain loops over Python floats: what the tests compare with."""

import math

import torch
from torch import Tensor

from unlearning_pl.learners import BYOL, CLIP, Classifier, Learner, MoCo, SimCLR
from unlearning_pl.types import Sample

Rows = list[list[float]]


def info_nce_both_ways(
    first: Rows, second: Rows, temperature: float, partner: list[int] | None = None, image: list[int] | None = None
) -> list[float]:
    """Of images and captions; ``second[i]`` is the caption of image ``partner[i]``, its own if not given."""
    n = len(first)
    own = image or list(range(n))
    p = partner or own

    def way(one: list[float], others: Rows, i: int, dropped: set[int]) -> float:
        scores = {j: math.exp(cosine(one, others[j]) / temperature) for j in range(n) if j == i or j not in dropped}
        return -math.log(scores[i] / sum(scores.values()))

    return [
        (
            way(first[i], second, i, {j for j in range(n) if p[j] in (own[i], p[i])})  # its captions, its partner's
            + way(second[i], first, i, {j for j in range(n) if own[j] in (own[i], p[i])})  # images of the caption
        )
        / 2
        for i in range(n)
    ]


@torch.no_grad()
def rows(tensor: Tensor) -> Rows:
    return tensor.double().tolist()


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def softmax(scores: list[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def kl(wanted: list[float], found: list[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(wanted, found, strict=True))


def nt_xent(
    first: Rows, second: Rows, temperature: float, partner: list[int] | None = None, own: list[int] | None = None
) -> list[float]:
    """``second[i]`` is the second view of image ``partner[i]``, its own if not given."""
    everyone, n = first + second, len(first)
    image = [*(own or range(n)), *(partner or own or range(n))]

    def anchor(i: int, j: int) -> float:
        def counts(k: int) -> bool:
            copy = (k >= n) == (j >= n) and image[k] == image[j]
            return k == j or (image[k] != image[i] and not copy)

        scores = {k: math.exp(cosine(everyone[i], everyone[k]) / temperature) for k in range(2 * n) if counts(k)}
        return -math.log(scores[j] / sum(scores.values()))

    return [(anchor(i, n + i) + anchor(n + i, i)) / 2 for i in range(n)]


def queue_nce(query: Rows, key: Rows, queue: Rows, temperature: float) -> list[float]:
    losses = []
    for q, k in zip(query, key, strict=True):
        scores = [math.exp(cosine(q, other) / temperature) for other in [k, *queue]]
        losses.append(-math.log(scores[0] / sum(scores)))
    return losses


def losses(learner: Learner, sample: Sample) -> list[float]:
    """l_i of each sample, from the embeddings of a learner in evaluation mode."""
    named = () if sample.partner is None else (sample.partner.tolist(), sample.index.tolist())
    with torch.no_grad():
        if isinstance(learner, Classifier):
            scores = rows(learner.class_scores(sample.views[0]))
            return [-math.log(softmax(s)[y]) for s, y in zip(scores, sample.target.tolist(), strict=True)]
        if isinstance(learner, CLIP):
            images, texts = rows(learner.embed(sample.views[0])), rows(learner.embed_text(sample.text))
            return info_nce_both_ways(images, texts, float(learner.temperature), *named)
        first, second = (rows(learner.embed(view)) for view in sample.views[:2])
        if isinstance(learner, SimCLR):
            return nt_xent(first, second, learner.temperature, *named)
        if isinstance(learner, MoCo):
            keys = rows(learner.key_encoder(sample.views[1]))
            return queue_nce(first, keys, rows(learner.queue.keys), learner.temperature)
        assert isinstance(learner, BYOL)
        guesses = [rows(learner.prediction_head(learner.embed(view))) for view in sample.views[:2]]
        targets = [rows(learner.target_encoder(view)) for view in sample.views[:2]]
        return [
            -(cosine(guesses[0][i], targets[1][i]) + cosine(guesses[1][i], targets[0][i])) / 2
            for i in range(len(first))
        ]


def logits(learner: Learner, sample: Sample) -> Rows:
    """What distillation compares: class scores, or similarities to all positives over the temperature."""
    with torch.no_grad():
        if isinstance(learner, Classifier):
            return rows(learner.class_scores(sample.views[0]))
        assert isinstance(learner, SimCLR)
        first, second = (rows(learner.embed(view)) for view in sample.views[:2])
        return [[cosine(a, b) / learner.temperature for b in second] for a in first]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)
