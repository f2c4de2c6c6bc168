"""Callback that shows during a training how far its images are from images that it never sees.

Letters: N rows that are compared.
"""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import given_seed, isolated_rng
from unlearning_pl.data.streams import even_rows
from unlearning_pl.errors import require
from unlearning_pl.functional.roc import membership_auc
from unlearning_pl.methods import Unlearner
from unlearning_pl.methods.unlearner import evaluation_mode
from unlearning_pl.training.stopwatch import Stopwatch
from unlearning_pl.types import Split


class MembershipMonitor(Callback):
    """Log alignment, loss and membership AUC of training rows against held-out rows to TensorBoard.

    In ``fit`` the rows are training images, in ``unlearn`` images to forget; the held-out rows are those of
    ``data.validation``. The AUC tells the former from the latter by their alignment, those of a classifier by their
    loss: training has begun to remember when it leaves 0.5; back at 0.5 this attack finds nothing any more. Wang &
    Chen, arXiv 2405.07317, show such curves of alignment.

    The callback changes nothing else: weights, buffers and random state are those of a run without it, and its seconds
    do not count as time of the run. Rank 0 computes it, in evaluation mode and full precision, before the first step
    and after every ``every_n_epochs`` epochs.

    Logged under ``monitor/``: ``alignment_train`` (``alignment_forget`` in ``unlearn``), ``alignment_held_out``,
    ``loss_train`` (``loss_forget``), ``loss_held_out`` and ``auc``.

    Args:
        every_n_epochs: Epochs from one measurement to the next, at least 1.
        rows: Most images of either kind; of more, these are evenly spaced.

    Raises:
        InputError: If an argument is no whole number from 1; when a training starts, without held-out rows, without a
            logger, with a module that lacks what is measured, or with fsdp, whose processes have a part of the weights
            each.
    """

    def __init__(self, every_n_epochs: int = 1, rows: int = 1000) -> None:
        for name, value, usual in (("every_n_epochs", every_n_epochs, 1), ("rows", rows, 1000)):
            require(
                isinstance(value, int) and not isinstance(value, bool) and value >= 1,
                f"Expected a whole number {name} >= 1 of MembershipMonitor, got {value!r}. {usual} is usual.",
            )
        self.every_n_epochs, self.rows = every_n_epochs, rows

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        missing = [name for name in ("outputs", "losses", "alignment") if not hasattr(pl_module, name)]
        require(
            not missing,
            f"Expected a learner with outputs, losses and alignment for MembershipMonitor, got "
            f"{type(pl_module).__name__} without {' and '.join(missing)}. See docs/protocol.md.",
        )
        data = self._data(trainer)
        held_out = len(data.positions("validation"))
        require(
            held_out > 0,
            f"Expected held-out images for MembershipMonitor, got {held_out}. Add --data.validation 0.1 to fit.",
        )
        require(
            bool(trainer.loggers),
            "Expected a logger for MembershipMonitor, got none. Give --run, or leave the callback out.",
        )
        require(
            not isinstance(trainer.strategy, FSDPStrategy),
            "Expected trainer.strategy ddp with MembershipMonitor, got fsdp. Choose ddp, or leave the callback out.",
        )

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:  # a resumed run has logged it
            self._log(trainer, pl_module)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._log(trainer, pl_module)

    def _log(self, trainer: Trainer, learner: Any) -> None:
        if not trainer.is_global_zero:
            return
        watch = next((callback for callback in trainer.callbacks if isinstance(callback, Stopwatch)), Stopwatch())  # type: ignore[attr-defined]
        with watch.paused():
            figures = self._measure(trainer, learner)
        for logger in trainer.loggers:
            logger.log_metrics({f"monitor/{name}": value for name, value in figures.items()}, trainer.global_step)

    def _measure(self, trainer: Trainer, learner: Any) -> dict[str, float]:
        data = self._data(trainer)
        unlearns = any(isinstance(callback, Unlearner) for callback in trainer.callbacks)  # type: ignore[attr-defined]
        split: Split = "forget" if unlearns else "train" if data.train_on == "all" else "retain"
        members, others = (evenly_spaced(data.positions(name), self.rows) for name in (split, "validation"))
        plan = SamplePlan.evaluation(InputSpec.of(learner), given_seed(trainer) or 0)
        alignment, losses = measure_rows(learner, data, torch.cat([members, others]), plan)
        scores = -losses if getattr(learner, "knows_classes", False) else alignment
        figures = {}
        for name, values in (("alignment", alignment), ("loss", losses)):
            figures[f"{name}_{'forget' if unlearns else 'train'}"] = values[: len(members)].mean().item()
            figures[f"{name}_held_out"] = values[len(members) :].mean().item()
        return figures | {"auc": membership_auc(scores[: len(members)], scores[len(members) :]).item()}

    def _data(self, trainer: Trainer) -> UnlearningData:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, UnlearningData):
            raise TypeError(
                f"Expected datamodule=UnlearningData(...), got {type(data).__name__}. Wrap the images in it."
            )
        return data


def measure_rows(learner: Any, data: UnlearningData, positions: Tensor, plan: SamplePlan) -> tuple[Tensor, Tensor]:
    """Alignment and loss of rows in evaluation mode, each ``(N,)`` float64 on the CPU, in the order of the positions.

    The rows are in batches of even size and in a random order that depends on their number alone, so that a loss that
    compares the rows of a batch compares all of them with the same kinds of images. The random state stays as it is.

    Args:
        learner: The model, with ``outputs``, ``losses`` and ``alignment``.
        data: The data.
        positions: ``(N,)`` int64.
        plan: How samples are made.
    """
    order = torch.randperm(len(positions), generator=torch.Generator().manual_seed(0))
    found: list[tuple[Tensor, Tensor]] = []
    loader = data.loader(positions[order], plan, rows=even_rows(len(positions), data.eval_batch_size))
    with evaluation_mode(learner), isolated_rng(learner.device), torch.no_grad():
        for rows in loader:
            sample = data.sample(rows.to(learner.device))
            outputs = learner.outputs(sample)
            values = learner.alignment(outputs, sample), learner.losses(outputs, sample)
            found.append((values[0].double().cpu(), values[1].double().cpu()))
    back = order.argsort()
    alignment, losses = (torch.cat(parts)[back] for parts in zip(*found, strict=True))
    return alignment, losses


def evenly_spaced(positions: Tensor, most: int) -> Tensor:
    """At most ``most`` positions, evenly spaced from the first to the last.

    Example:
        >>> evenly_spaced(torch.arange(10), 4).tolist(), evenly_spaced(torch.arange(2), 4).tolist()
        ([0, 3, 6, 9], [0, 1])
    """
    if len(positions) <= most:
        return positions
    return positions[torch.linspace(0, len(positions) - 1, most, dtype=torch.float64).round().long()]
