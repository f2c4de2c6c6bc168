"""Comparison of the images to forget with held-out images, by membership scores, while a model unlearns.

Letters: M forget images, L held-out images.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import effective_seed, isolated_rng
from unlearning_pl.data.streams import Share
from unlearning_pl.distributed.collectives import all_reduce_shares, broadcast_buffers
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.functional.matched_auc import matched_auc, matching_weights
from unlearning_pl.learners.membership_score import membership_score, score_kind
from unlearning_pl.methods.unlearner import evaluation_mode
from unlearning_pl.types import Sample

VIEWS = 6
"""Views of an image whose cosines are averaged.

Of a SimCLR encoder that remembers 300 images, against 150 held-out ones, the AUC was 0.64 with two views, 0.67 with
four, 0.70 with six and 0.72 with ten (means of three draws of the views).
"""


class Comparison(NamedTuple):
    """Forget images beside held-out images.

    Attributes:
        forget: Mean membership score of the forget images.
        held_out: Weighted mean of the held-out images.
        difference: Their AUC, and its difference from 0.5.
    """

    forget: float
    held_out: float
    difference: AucDifference


def compared_images(learner: LightningModule, data: UnlearningData) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of the forget and the held-out images that are compared, and weights of the latter with the sum 1.

    Of a learner with classes, held-out images have weights by which their classes have the forget set's shares; forget
    images of classes that no held-out image has are left out.

    Returns:
        ``(M,)`` and ``(L,)`` int64, and ``(L,)`` float64, all zero if nothing can be compared.
    """
    forget, held_out = data.positions("forget"), data.positions("validation")
    if not getattr(learner, "knows_classes", False):
        return forget, held_out, torch.full((len(held_out),), 1 / len(held_out), dtype=torch.float64)
    train, _ = data.load()
    classes, others = train.targets[forget], train.targets[held_out]
    return forget[torch.isin(classes, others)], held_out, matching_weights(classes, others)


@torch.no_grad()
def compare(trainer: Trainer, learner: Any) -> Comparison:
    """Compare forget with held-out images, in evaluation mode and full precision, in the same views every time.

    Processes share the batches, and all of them get the same numbers, bit for bit: those of a single process.
    """
    data: UnlearningData = trainer.datamodule  # type: ignore[attr-defined]
    forget, held_out, weights = compared_images(learner, data)
    found = torch.zeros(len(data.ids), device=learner.device)
    broadcast_buffers(learner)  # those of the checkpoint: without sync_batchnorm each process has its own
    with evaluation_mode(learner), isolated_rng(learner.device):
        for sample in _shared_samples(trainer, learner, data):
            found[sample.index] = membership_score(learner, sample).float()
    all_reduce_shares([found])  # exact: a row is of one process, and zero on the others
    scores = found.double().cpu()
    members, others = scores[forget], scores[held_out]
    return Comparison(members.mean().item(), (weights * others).sum().item(), matched_auc(members, others, weights))


def _shared_samples(trainer: Trainer, learner: Any, data: UnlearningData) -> Iterator[Sample]:
    """This process's share of the forget and the held-out images, clean or in several views."""
    plan = SamplePlan.evaluation(InputSpec.of(learner), effective_seed(trainer))
    plan = replace(plan, views=VIEWS) if score_kind(learner) == "cosine" else plan
    share = Share(trainer.global_rank, trainer.world_size)
    for samples in data.samples(("forget", "validation"), plan, learner.device, share).values():
        yield from samples
