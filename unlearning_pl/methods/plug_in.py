"""Terms that join the loss of any unlearning method."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner, Objective, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Split


class PlugIn(Unlearner):
    """A term on top of whatever objective is installed before it.

    The method under it sees the streams that it chose; those that the term reads are fed besides.

    Attributes:
        required_streams: Streams that the term reads.
        inner_streams: Streams of the method under it, by epoch.
    """

    required_streams: ClassVar[tuple[Split, ...]] = ("retain",)
    inner_streams: Callable[[int], tuple[Split, ...]]
    _inner_objective: Objective = staticmethod(mean_loss)

    def term(self, learner: Learner, batch: Batch) -> Tensor:
        """The scalar that is added to the loss."""
        raise NotImplementedError

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        fed = self.inner_streams(epoch)
        return (*fed, *(name for name in self.required_streams if name not in fed))

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        own: Batch = {name: batch[name] for name in self.inner_streams(learner.current_epoch)}
        return self._inner_objective(learner, own) + self.term(learner, batch)

    @override
    def install(self, learner: Learner, data: UnlearningData) -> None:
        self.inner_streams = data.streams
        self._inner_objective = learner.objective
        data.feed(self.streams)
        learner.objective = self.objective
        data.num_views = max(data.num_views or learner.num_views, self.num_views)
