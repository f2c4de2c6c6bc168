"""MUC's linear probe, by its authors' public code.

Letters: N images, A augmented views, D features, K classes.

References:
    [1] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv
        2406.03603
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearning_pl.audits.embeddings import BySplit, drop_unlabelled
from unlearning_pl.types import Split

_EPOCHS, _BATCH, _RATE, _MOMENTUM = 100, 512, 1.0, 0.9
Probe = Literal["logistic", "muc"]
PROBE_VIEWS: dict[Probe, int] = {"logistic": 0, "muc": 10}
"""Augmented views of each retain image that an audit embeds for a linear probe."""


def muc_probe(splits: BySplit, seed: int = 0) -> dict[Split, Tensor]:
    """Class probabilities by MUC's linear probe on frozen features of augmented retain images [1].

    A linear layer on the encoder output, not standardised; cross-entropy; 100 epochs of SGD with learning rate 1.0,
    which a cosine schedule lowers after each epoch, momentum 0.9 and no weight decay; shuffled batches of 512, of which
    the last incomplete one is dropped. It is evaluated on clean images. Accuracies differ from those of a logistic
    regression on clean features by several points.

    Deviation: the authors draw each retain image anew in each epoch. Here epoch e has view e mod A of an image, so that
    the encoder embeds A views, not 100. Fewer than 512 retain images are one batch.

    Args:
        splits: The model's embeddings by split; ``probe_views`` of retain are the augmented images.
        seed: Seed of the initial weights and of the batches. The global random state does not change.

    Returns:
        ``(N, K)`` float64 by split, K up to the largest class of any split.

    Example:
        >>> muc_probe({})
        {}
    """
    splits = drop_unlabelled(splits)
    if "retain" not in splits or splits["retain"].probe_views is None:
        return {}
    classes = 1 + max(int(embeddings.target.max()) for embeddings in splits.values())
    with torch.inference_mode(False), torch.enable_grad():
        layer = _train(splits["retain"].probe_views, splits["retain"].target, classes, seed)
    with torch.no_grad():
        return {split: layer(embeddings.features).double().softmax(dim=1) for split, embeddings in splits.items()}


def _train(views: Tensor, target: Tensor, classes: int, seed: int) -> nn.Linear:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would set those of devices as well
        layer = nn.Linear(views.shape[2], classes)
    optimiser = torch.optim.SGD(layer.parameters(), lr=_RATE, momentum=_MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS)
    size = min(_BATCH, len(target))
    for epoch in range(_EPOCHS):
        features = views[:, epoch % views.shape[1]].float()
        for rows in torch.split(torch.randperm(len(target), generator=generator), size):
            if len(rows) == size:
                optimiser.zero_grad()
                F.cross_entropy(layer(features[rows]), target[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        schedule.step()
    return layer
