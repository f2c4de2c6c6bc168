"""Callback that ends unlearning when images to forget are told apart from held-out images no more."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.methods import Unlearner
from unlearning_pl.training.held_out_comparison import compare, compared_images

TOLD_APART = 0.05
"""Level at which forget and held-out images are told apart at first: before, there is nothing to stop."""
NO_MORE = 0.5
"""Level at which they are told apart no more.

A run meets 0.5 with the edge of the interval: at 0.05 it would end two standard errors away from it. Alignment
calibration on the encoder of ``VIEWS`` would have ended at step 30 with an AUC of 0.554, and
ends at step 66 with 0.502.
"""

_STATE = ("_side", "_compared", "_auc", "_reason", "_kept", "_weights", "_pending", "_ended")


class HeldOutStop(Callback):
    """End unlearning when images to forget are told apart from held-out images no more, and keep the best step.

    Before the first step, and every so many steps, the membership score of every forget and every held-out image is
    computed, in evaluation mode and full precision, always in the same views (``learners/membership_score.py``); those
    of a classifier's held-out images are weighted so that their classes have the forget set's shares. Once the AUC
    differs from 0.5 by a test at level :data:`TOLD_APART`, the run ends when it does not at :data:`NO_MORE`, or when
    it lies on the other side of 0.5. The run keeps the weights whose AUC was nearest to 0.5, buffers, momentum encoders
    and queues included, of the steps that were compared; the original is none of them. It is not extended by
    further epochs. Images that are never told apart
    stop nothing. No loss reads held-out images here. Where streams change from epoch to epoch (SCRUB), steps of epochs
    without retain images are not compared.

    Logged under ``stop/``: ``auc``, ``score_forget`` and ``score_held_out``, the means.

    Args:
        every: Steps from one comparison to the next, at least 1; None compares after each epoch. The last step of a
            run is compared too.

    Raises:
        InputError: If the number is below 1.
    """

    def __init__(self, every: int | None = None) -> None:
        require(
            every is None or every >= 1,
            f"Expected stop_every >= 1, got {every}. Leave it out to compare after each epoch.",
        )
        self.every = every
        self._side = 0  # of 0.5 on which the AUC was told apart first
        self._step = 0  # after the last batch
        self._compared = -1  # step of the last comparison
        self._auc: float | None = None
        self._reason = ""  # why the run ends
        self._kept: tuple[int, float] | None = None  # the best step and its AUC
        self._weights: Mapping[str, Tensor] = {}
        self._pending = False  # whether the weights of the best step are those that the model has now
        self._ended = -1  # last step of a run that has ended

    def facts(self) -> dict[str, Any]:
        """The entry of the record, run.json: last step, kept step, AUC of the kept step, and why the run ended."""
        kept, auc = self._kept or (self._ended, self._auc)
        return {"stop": {"ended": self._ended, "kept": kept, "auc": auc, "reason": self._reason}}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._step = trainer.global_step
        self._keep_pending(pl_module)
        if self._compared < 0:
            self._compare(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or bool(self._reason)

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        step, before = trainer.global_step, self._step
        self._step = step
        stepped = step != before  # of batches whose gradients are accumulated only the last one steps
        if (
            self.every is not None
            and stepped
            and step % self.every == 0
            and self._is_due(trainer, trainer.current_epoch)
        ):
            self._compare(trainer, pl_module)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._keep_pending(pl_module)  # only now the step is complete: MoCo's queue takes in its keys at the very end

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.every is None and self._is_due(trainer, trainer.current_epoch):
            self._compare(trainer, pl_module)
        self._keep_pending(pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._ended >= 0:
            return
        if self._compared != trainer.global_step and (
            self._kept is None or self._is_due(trainer, trainer.current_epoch - 1)
        ):
            self._compare(trainer, pl_module)
            self._keep_pending(pl_module)
        if self._kept is None:
            self._reason = "never told apart"
            rank_zero_warn(
                f"--stop held_out stopped nothing: forget and held-out images were told apart at no step (AUC "
                f"{self._auc:.2f} at the last one). The run took all its steps. Hold out or forget more images."
            )
        else:
            self._reason = self._reason or "still told apart"
            pl_module.load_state_dict(self._weights)
            rank_zero_info(
                f"Ended at step {trainer.global_step} ({self._reason}), kept step {self._kept[0]} with AUC "
                f"{self._kept[1]:.2f} of forget against held-out images."
            )
        self._weights, self._ended = {}, trainer.global_step

    @override
    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in _STATE:
            setattr(self, name, state_dict[name])

    def _is_due(self, trainer: Trainer, epoch: int) -> bool:
        """Whether this step was not compared, in an epoch that also preserves what is to be retained."""
        methods = [callback for callback in trainer.callbacks if isinstance(callback, Unlearner)]  # type: ignore[attr-defined]
        preserves = all("retain" in method.streams(epoch) for method in methods if method.alternates_streams)
        return preserves and self._compared != trainer.global_step

    def _compare(self, trainer: Trainer, learner: Any) -> None:
        learner.check_finite()
        forget, held_out, difference = compare(trainer, learner)
        self._compared, self._auc = trainer.global_step, difference.auc
        figures = {"auc": difference.auc, "score_forget": forget, "score_held_out": held_out}
        for logger in trainer.loggers:
            logger.log_metrics({f"stop/{name}": value for name, value in figures.items()}, trainer.global_step)
        was = self._side
        self._side = was or _side(difference, TOLD_APART)
        if not self._side or trainer.global_step == 0:
            return
        if self._kept is None or abs(difference.value) < abs(self._kept[1] - 0.5):
            self._kept, self._pending = (trainer.global_step, difference.auc), True
        if was and was * difference.value < 0:
            self._reason = "differ the other way"
        elif was and not _side(difference, NO_MORE):
            self._reason = "told apart no more"
        trainer.should_stop = trainer.should_stop or bool(self._reason)

    def _keep_pending(self, learner: LightningModule) -> None:
        if self._pending:
            self._weights = {name: value.detach().cpu().clone() for name, value in learner.state_dict().items()}
            self._pending = False


def _side(difference: AucDifference, level: float) -> int:
    """1 if the AUC is above 0.5 by a two-sided test, -1 if below, 0 if neither."""
    low, high = difference.interval(level)
    return int(low > 0) - int(high < 0)


def held_out_stop(stop: str | None, every: int | None, method: Unlearner) -> list[HeldOutStop]:
    """The callbacks of the options ``stop`` and ``stop_every`` of a run: one, or none.

    Raises:
        InputError: If there is no such way to stop, the method takes no step, or a number of steps is given alone.

    Example:
        >>> from unlearning_pl.methods import FineTune
        >>> held_out_stop(None, None, FineTune())
        []
    """
    require(stop in (None, "held_out"), f"Expected --stop held_out, got {stop!r}. Write it so, or leave it out.")
    require(
        stop is not None or every is None,
        f"Expected --stop held_out with --stop_every, got --stop_every {every} alone. Add it.",
    )
    if stop is None:
        return []
    require(
        method.takes_steps,
        f"Expected a method that takes steps with --stop held_out, got {type(method).__name__}, which takes none: "
        "there is nothing to stop. Leave it out, or choose another method.",
    )
    return [HeldOutStop(every)]


def check_held_out_stop(trainer: Trainer, learner: LightningModule, data: UnlearningData) -> None:
    """Check that a run with a :class:`HeldOutStop` among its callbacks can compare and stop; others pass.

    Raises:
        InputError: Without held-out images, or without those of the classes to forget; with weights that are sharded
            over processes, or with a least number of steps.
    """
    if not any(isinstance(callback, HeldOutStop) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        return
    held_out = len(data.positions("validation"))
    require(
        held_out > 0,
        f"Expected held-out images for --stop held_out, got {held_out}. Train the original with --data.validation 0.1, "
        "or leave it out.",
    )
    _, _, weights = compared_images(learner, data)
    require(
        bool(weights.any()),
        "Expected held-out images of the classes to forget for --stop held_out, got none. Train the original with a "
        "larger --data.validation, or leave it out.",
    )
    minima = (trainer.fit_loop.min_epochs, trainer.fit_loop.min_steps)
    require(
        not any(minima),
        f"Expected no trainer.min_epochs and min_steps with --stop held_out, got {minima[0]} and {minima[1]}. Leave "
        "them out.",
    )
    require(
        not isinstance(trainer.strategy, FSDPStrategy),
        "Expected trainer.strategy ddp with --stop held_out, got fsdp, whose processes have a part of the weights. "
        "Choose ddp.",
    )
