"""Embeddings of models that remember their training images as much as a test wants."""

import torch

from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.functional.threshold_attack import pair_similarities
from unlearning_pl.types import Split

CLASSES, SIZE = 4, 8


def embed(rows: int, memory: float, seed: int, logits: bool) -> Embeddings:
    """Rows around class centres; the views of an image are the closer, the better it is remembered."""
    generator = torch.Generator().manual_seed(seed)
    centres = 3 * torch.eye(CLASSES, SIZE)
    target = torch.arange(rows) % CLASSES
    features = centres[target] + torch.randn(rows, SIZE, generator=generator)
    noise = torch.randn(rows, 10, SIZE, generator=generator)
    views = features[:, None] + (1.5 - memory) * noise
    # Logits of the remembered images depend on the memory a little: no two models are copies of each other
    scores = (features + 0.1 * memory * noise[:, 0]) @ centres.T if logits else None
    losses = (features - centres[target]).square().sum(dim=1)
    pairs = pair_similarities(views)
    return Embeddings(torch.arange(rows), target, features, pairs, views[:, 0], views[:, 1], scores, losses)


def remembering(
    forget: float = 1.0, sizes: tuple[int, int, int] = (60, 24, 40), seed: int = 0, logits: bool = False
) -> dict[Split, Embeddings]:
    """What a model says that remembers retain images, forgets test images, and remembers ``forget`` of the others."""
    return {
        "retain": embed(sizes[0], 1.0, 10 * seed, logits),
        "forget": embed(sizes[1], forget, 10 * seed + 1, logits),
        "test": embed(sizes[2], 0.0, 10 * seed + 2, logits),
    }
