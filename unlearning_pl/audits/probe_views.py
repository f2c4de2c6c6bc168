"""Features of augmented retain images, which MUC's linear probe is trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unlearning_pl.data import SupervisedViews
from unlearning_pl.data.loaders import Rows
from unlearning_pl.data.pool import Pool
from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.learners import Learner


def probe_features(models: Sequence[Learner], pool: Pool, rows: Rows, count: int) -> list[Tensor]:
    """Encoder output of views as MUC's probe has them: a shift by up to an eighth of the height, and a flip.

    They are drawn from a seed of their own, so that all other figures of an audit are the same with and without them.

    Args:
        models: The models, in evaluation mode.
        pool: The images.
        rows: Positions of B images, with their plan.
        count: Number of views A.

    Returns:
        ``(B, A, D)`` bfloat16 by model, on the CPU: half the memory, and rounded by less than views differ.
    """
    images, _ = pool.rows_at(rows.index, rows.images)
    augment = SupervisedViews(padding=images.shape[2] // 8)
    views: list[list[Tensor]] = [[] for _ in models]
    with isolated_rng(images.device, run_seed(rows.plan.seed, "probe", rows.first)):
        for _ in range(count):
            with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
                view = pool.normalise(augment(images), rows.plan.pixels)
            for learner, embedded in zip(models, views, strict=True):
                embedded.append(learner.features(view).bfloat16().cpu())
    return [torch.stack(embedded, dim=1) for embedded in views]
