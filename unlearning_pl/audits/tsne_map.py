"""t-SNE map of the features.

References:
    [1] van der Maaten & Hinton, Visualizing Data using t-SNE, JMLR 2008
"""

import torch
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, drop_empty
from unlearning_pl.types import Split

SHOWN: dict[Split, int] = {"retain": 300, "test": 100, "forget": 200}
"""Maximum number of images of each split in a map."""
_MIN_IMAGES = 10  # a map of fewer images is not informative


def embedding_map(splits: BySplit) -> dict[Split, Tensor]:
    """Project the features of some images to two dimensions by t-SNE, which keeps neighbours close [1].

    The images are spaced evenly over each split, and are the same for every model. The distances between distant groups
    and the axes have no meaning.

    Returns:
        ``(n, 3)`` by split: two coordinates and the class; empty with fewer than ten images.

    Example:
        >>> embedding_map({})
        {}
    """
    splits = drop_empty(splits)
    parts = {
        split: splits[split].take(_evenly_spaced(len(splits[split].index), n))
        for split, n in SHOWN.items()
        if split in splits
    }
    counts = [len(part.index) for part in parts.values()]
    if sum(counts) < _MIN_IMAGES:
        return {}
    features = torch.cat([part.features for part in parts.values()]).double().numpy()
    layout = TSNE(init="random", perplexity=min(30.0, (sum(counts) - 1) / 3), random_state=0, max_iter=500)
    points = torch.from_numpy(layout.fit_transform(StandardScaler().fit_transform(features))).float()
    coordinates = zip(parts.items(), torch.split(points, counts), strict=True)
    return {split: torch.cat([xy, part.target[:, None].float()], dim=1) for (split, part), xy in coordinates}


def _evenly_spaced(size: int, shown: int) -> Tensor:
    return torch.linspace(0, size - 1, min(size, shown)).round().long()
