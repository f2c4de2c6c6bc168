"""Samples from rows: images of the pool, augmented, normalised and captioned on the device, as their plan says.

Letters: B rows of a batch, C channels, H height, W width.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from unlearning_pl.data.augment.views import Views
from unlearning_pl.data.loaders import Rows
from unlearning_pl.data.plans import SamplePlan
from unlearning_pl.data.pool import Pool
from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.types import Sample


def draw_views(augment: Views, images: Tensor, count: int) -> tuple[Tensor, ...]:
    """Draw augmented views of images ``(B, 3, H, W)`` at once: ``count`` tensors of the same shape."""
    return augment(images.repeat(count, 1, 1, 1)).chunk(count) if count else ()


@torch.no_grad()
def make_sample(pool: Pool, augment: Views, rows: Rows) -> Sample:
    """Make a sample; its views and captions are drawn from torch's generator.

    Args:
        pool: The images.
        augment: Random augmentation ``(B, 3, H, W) -> (B, 3, H, W)`` of images in [0, 1].
        rows: Positions with their plan, on the device of the sample.
    """
    plan = rows.plan
    with torch.autocast(rows.index.device.type, enabled=False):
        images, target = pool.rows_at(rows.index, rows.images)
        views = draw_views(augment, images, plan.views)
        inputs = (images, *views) if plan.clean else views
        normalised = tuple(pool.normalise(view, plan.pixels) for view in inputs)
    return Sample(normalised, target, rows.index, _text(pool, rows.index, plan))


def make_eval_sample(pool: Pool, augment: Views, rows: Rows) -> Sample:
    """Make a sample that depends on the plan's seed and the first position only; the random state does not change."""
    with isolated_rng(rows.index.device, run_seed(rows.plan.seed, "evaluate", rows.first)):
        return make_sample(pool, augment, rows)


def view_stream(pool: Pool, augment: Views, rows: Rows) -> tuple[Sample, Iterator[Tensor]]:
    """Make a sample of the clean images, and an iterator that makes one augmented view ``(B, 3, H, W)`` after another.

    Any number of views needs the memory of one. They are drawn from torch's generator.
    """
    clean = make_sample(pool, augment, Rows(rows.index, rows.images, replace(rows.plan, views=0), rows.first))
    return clean, _draw_one_by_one(pool, augment, rows)


def _draw_one_by_one(pool: Pool, augment: Views, rows: Rows) -> Iterator[Tensor]:
    images, _ = pool.rows_at(rows.index, rows.images)
    for _ in range(rows.plan.views):
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):  # the model may be under it
            view = pool.normalise(augment(images), rows.plan.pixels)
        yield view
        del view


def _text(pool: Pool, index: Tensor, plan: SamplePlan) -> Tensor | None:
    if plan.context_length is None:
        return None
    captions = pool.text(plan.context_length)
    return {"random": captions.draw, "first": captions.first, "all": captions.all}[plan.captions](index)
