"""A picture of the embedding space, by t-SNE.

References:
    [1] van der Maaten & Hinton, Visualizing Data using t-SNE, JMLR 2008
"""

import torch
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, filled
from unlearning_pl.types import Split

SHOWN: dict[Split, int] = {"retain": 300, "test": 100, "forget": 200}
"""Most images of each split in a map."""
_FEWEST = 10  # a map of fewer images shows nothing


def embedding_map(splits: BySplit) -> dict[Split, Tensor]:
    """Lay out the features of some images in a plane, so that near images stay near [1].

    The images are spread evenly over each split, the same ones for every model. Distances between far groups and the
    axes mean nothing.

    Returns:
        ``(n, 3)`` by split: two coordinates and the class; empty with too few images.

    Example:
        >>> embedding_map({})
        {}
    """
    splits = filled(splits)
    parts = {
        split: splits[split].take(_spread(len(splits[split].index), n)) for split, n in SHOWN.items() if split in splits
    }
    counts = [len(part.index) for part in parts.values()]
    if sum(counts) < _FEWEST:
        return {}
    features = torch.cat([part.features for part in parts.values()]).double().numpy()
    layout = TSNE(init="random", perplexity=min(30.0, (sum(counts) - 1) / 3), random_state=0, max_iter=500)
    points = torch.from_numpy(layout.fit_transform(StandardScaler().fit_transform(features))).float()
    placed = zip(parts.items(), torch.split(points, counts), strict=True)
    return {split: torch.cat([where, part.target[:, None].float()], dim=1) for (split, part), where in placed}


def _spread(size: int, shown: int) -> Tensor:
    return torch.linspace(0, size - 1, min(size, shown)).round().long()
