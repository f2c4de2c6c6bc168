"""Plug-ins: loss terms that combine with any unlearning method."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from unlearning_pl.data.plans import Streams, TrainingPlan
from unlearning_pl.learners import Learner, Objective, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Split


class PlugIn(Unlearner):
    """Base class of plug-ins: adds a term to the objective that is already installed.

    The method below receives the streams that it chose; the streams that the term reads are fed in addition.

    Attributes:
        required_streams: Streams that the term reads.
        inner_streams: Streams of the method below, by epoch.
    """

    required_streams: ClassVar[tuple[Split, ...]] = ("retain",)
    inner_streams: Streams
    _inner_objective: Objective = staticmethod(mean_loss)

    def term(self, learner: Learner, batch: Batch) -> Tensor:
        """Compute the scalar that is added to the loss."""
        raise NotImplementedError

    @override
    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        def streams(epoch: int) -> tuple[Split, ...]:
            return tuple(dict.fromkeys((*plan.streams(epoch), *self.required_streams)))

        return plan.feed(streams, self.num_views)

    @property
    @override
    def is_base(self) -> bool:
        return self._inner_objective is mean_loss

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        own: Batch = {name: batch[name] for name in self.inner_streams(learner.current_epoch)}
        return self._inner_objective(learner, own) + self.term(learner, batch)

    @override
    def install(self, learner: Learner, plan: TrainingPlan) -> None:
        self.inner_streams = plan.streams
        self._inner_objective = learner.objective
        learner.objective = self.objective
