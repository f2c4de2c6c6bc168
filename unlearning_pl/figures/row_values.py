"""A number of each image by a model, computed on the device of a trainer.

Letters: B rows of a batch, N images.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.loaders import PositionLoader, Rows
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import isolated_rng
from unlearning_pl.data.streams import even_rows
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import require
from unlearning_pl.evaluation.relearning import alone
from unlearning_pl.figures.drawing import SPLITS
from unlearning_pl.learners import Learner
from unlearning_pl.training.membership_monitor import evenly_spaced
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.types import Sample, Split

Measure = Callable[[Learner, Sample], Tensor]
"""A number of each row of a batch, ``(B,)``, by a learner in evaluation mode, with gradients enabled."""


class RowValues(LightningModule):
    """Lightning module whose predictions are the positions of rows, and a number of each.

    Args:
        learner: The model.
        data: The data.
        groups: Positions that share batches, ``(N,)`` int64 each.
        measure: The number.
    """

    def __init__(self, learner: Learner, data: UnlearningData, groups: Sequence[Tensor], measure: Measure) -> None:
        super().__init__()
        self.learner, self.data, self.groups, self.measure = learner, data, groups, measure

    @override
    def predict_dataloader(self) -> list[PositionLoader]:
        plan, limit = SamplePlan.evaluation(InputSpec.of(self.learner), seed=0), self.data.eval_batch_size
        return [self.data.loader(group, plan, rows=even_rows(len(group), limit)) for group in self.groups]

    @override
    def predict_step(self, batch: Rows, batch_idx: int, dataloader_idx: int = 0) -> tuple[Tensor, Tensor]:
        sample = self.data.sample(batch)
        full_precision = torch.autocast(self.device.type, enabled=False)
        with single_process(), isolated_rng(self.device), torch.enable_grad(), full_precision:
            values = self.measure(self.learner, sample).detach()
        return sample.index.cpu(), values.double().cpu()


def row_values(
    learner: Learner, data: UnlearningData, groups: Sequence[Tensor], measure: Measure, **options: Any
) -> Tensor:
    """Compute a number of each row in evaluation mode and full precision.

    A learner that needs views gets the same ones for every model, else it gets the clean image.

    Args:
        learner: The model.
        data: The data, loaded.
        groups: Positions that share batches, ``(N,)`` int64 each; of more than ``data.eval_batch_size`` the batches are
            of even size.
        measure: The number.
        options: Options of the trainer.

    Returns:
        ``(P,)`` float64 by position in the pool, NaN where a position is in no group.

    Raises:
        InputError: If a number is not finite.
    """
    trainer = UnlearningTrainer(inference_mode=False, **alone(options))
    found: Any = trainer.predict(RowValues(learner, data, groups, measure))
    batches = found if len(groups) == 1 else [batch for group in found for batch in group]
    index, values = (torch.cat(parts) for parts in zip(*batches, strict=True))
    require(
        bool(values.isfinite().all()),
        f"Expected finite losses and gradients of {type(learner).__name__}, got NaN or infinity. Use an earlier "
        "checkpoint.",
    )
    return torch.full((len(data.ids),), torch.nan, dtype=values.dtype).index_copy(0, index, values)


def split_positions(data: UnlearningData, rows: int) -> dict[Split, Tensor]:
    """Positions of at most ``rows`` images of each split that has any, evenly spaced.

    The forget set is all images that any step forgot, as in an audit.

    Raises:
        InputError: If ``rows`` is below 1, or there are no forget or no test images.
    """
    require(rows >= 1, f"Expected rows >= 1, got {rows}. 1000 is usual.")
    data.load()
    own: Mapping[Split, Split] = {"retain": "retain", "forget": "forgotten", "test": "test"}
    found = {split: evenly_spaced(data.positions(own[split]), rows) for split in SPLITS}
    for split in ("forget", "test"):
        require(len(found[split]) > 0, f"Expected {split} images, got none. Give a run and data that have some.")
    return {split: positions for split, positions in found.items() if len(positions)}
