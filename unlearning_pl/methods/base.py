"""The seam seen from the methods: a callback that replaces the objective of a step."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner, Objective, plain
from unlearning_pl.sample import Batch, Sample, Split


class Unlearner(Callback):
    """An unlearning method. A subclass overrides the least of ``feed``, ``prepare``, ``measure`` and ``objective``.

    While a fit runs, the learner's objective is this method's and the data module feeds this method's streams;
    afterwards both are as they were. The order of events is Lightning's: :meth:`prepare` sees the original weights on
    the CPU, before a resumed run gets its own back; :meth:`measure` sees the device, once, at step 0.

    Attributes:
        feed: Streams of a step.
        num_views: Views per sample that the objective reads; the learner's own number if that is larger.
        compiles: Whether the objective can run through a compiled encoder.
    """

    feed: ClassVar[tuple[Split, ...]] = ("retain", "forget")
    num_views: ClassVar[int] = 1
    compiles: ClassVar[bool] = True

    def streams(self, epoch: int) -> tuple[Split, ...]:
        """Streams to feed in an epoch."""
        return self.feed

    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        """Make teachers, edit weights, read the sizes of the splits; the learner holds the original's weights."""

    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        """Measure the original on the device, before the first step of the first start; every sample of ``feed``."""

    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        """The scalar loss of a step."""
        return plain(learner, batch)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        learner, data = _parties(trainer, pl_module)
        data.feed(self.streams)
        self.prepare(learner, data)
        learner.objective = self.objective
        data.num_views = max(learner.num_views, self.num_views)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            learner, data = _parties(trainer, pl_module)
            learner.eval()  # BatchNorm must not move
            self.measure(learner, data.samples(self.feed, learner.device))
            learner.train()

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._leave(trainer, pl_module)

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._leave(trainer, pl_module)  # Lightning calls no teardown then

    def _leave(self, trainer: Trainer, pl_module: LightningModule) -> None:
        learner, data = _parties(trainer, pl_module)
        learner.objective = plain
        data.feed(None)
        data.num_views = None


class PlugIn(Unlearner):
    """A term on top of whatever objective is installed before it; it leaves that method's streams as they are.

    Attributes:
        needs: Streams that the term reads.
    """

    needs: ClassVar[tuple[Split, ...]] = ("retain",)
    _inner: Objective = staticmethod(plain)

    def term(self, learner: Learner, batch: Batch) -> Tensor:
        """The scalar that is added to the loss."""
        raise NotImplementedError

    def check(self, fed: tuple[Split, ...]) -> None:
        """Refuse a method whose streams lack what the term reads.

        Raises:
            InputError: If one of ``needs`` is not fed.
        """
        require(
            set(self.needs) <= set(fed),
            f"Expected a method that feeds {' and '.join(self.needs)} under the plug-in {type(self).__name__}, "
            f"got one that feeds {' and '.join(fed)}. Choose another method, for instance FineTune.",
        )

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return self._inner(learner, batch) + self.term(learner, batch)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        learner, data = _parties(trainer, pl_module)
        self.check(data.streams(trainer.current_epoch))
        self._inner = learner.objective
        self.prepare(learner, data)
        learner.objective = self.objective
        data.num_views = max(data.num_views or learner.num_views, self.num_views)


def _parties(trainer: Trainer, pl_module: LightningModule) -> tuple[Learner, Any]:
    data = getattr(trainer, "datamodule", None)
    if not isinstance(pl_module, Learner) or not isinstance(data, UnlearningData):
        raise TypeError(
            f"Expected a Learner and an UnlearningData, got {type(pl_module).__name__} and {type(data).__name__}. "
            "Wrap the model in a Learner and pass datamodule=UnlearningData(...)."
        )
    return pl_module, data
