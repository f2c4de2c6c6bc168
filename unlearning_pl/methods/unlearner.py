"""Base class of unlearning methods: a callback that replaces the objective of a training step."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import SamplePlan, TrainingPlan, training_plan
from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.data.streams import Share
from unlearning_pl.deprecated.old_attributes import RenamedAttributes, supply_renamed
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.types import Batch, Sample, Split

PROTOCOL = ("objective", "num_views", "outputs", "losses")
"""Attributes that every method needs of a module, see docs/protocol.md; ``required_methods`` lists further ones."""


@contextmanager
def evaluation_mode(learner: LightningModule) -> Iterator[None]:
    """Evaluation mode in a single process, for what a process computes alone, on all samples or its share of them."""
    modes = {module: module.training for module in learner.modules()}
    learner.eval()  # BatchNorm statistics must not change
    try:
        with single_process():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def retained_samples(data: UnlearningData, plan: SamplePlan, device: torch.device) -> Iterator[Sample]:
    """Batches of the retained samples without end, in an order and in views that depend on the run's seed alone."""
    positions = data.positions("retain")
    for epoch in count():
        seed = run_seed(plan.seed, "retained", epoch)
        order = torch.randperm(len(positions), generator=torch.Generator().manual_seed(seed))
        for step, rows in enumerate(torch.split(order, data.eval_batch_size)):
            with isolated_rng(device, run_seed(plan.seed, "retained", epoch, step)):
                sample = data.samples_at(positions[rows].to(device), plan)
            yield sample


class Unlearner(RenamedAttributes, Callback):
    """Base class of unlearning methods: override as few of ``feed``, ``prepare``, ``measure``, ``objective`` as needed.

    During a fit the learner's objective is this method's; afterwards it is restored. The plan of the fit has this
    method's streams (:meth:`extend_plan`), and the data module makes loaders from it. Lightning gives the order of
    events: :meth:`prepare` receives the original's weights on the CPU, before a resumed run loads its own; before the
    first step, on the device, the learner replaces what it holds of single images (``Learner.on_unlearn_start``) and
    :meth:`measure` runs, both once. A learner with a ``forget_mask`` is told which images it must hold nothing of.
    Modules that ``prepare`` stores on the callback (teachers) move to the learner's device. ``prepare`` draws from
    torch's generator, seeded by the run's seed and the name of the class.

    Attributes:
        feed: Streams of a step.
        num_views: Views per sample that the objective reads; the learner's own number is used if it is larger.
        required_methods: Methods of the learner that it calls in addition to ``outputs`` and ``losses``.
        alternates_streams: Whether the streams change from epoch to epoch.
        supports_compile: Whether the objective works with a compiled encoder.
        second_order: Whether the objective takes gradients of gradients, which torch's SyncBatchNorm does not have.
        supports_fsdp: Whether it works with weights sharded over processes (FSDP).
        takes_steps: Whether it takes training steps; one that edits weights in ``measure`` takes none.
        state_keys: Attributes saved with the callback's state, for a resumed run.
    """

    feed: ClassVar[tuple[Split, ...]] = ("retain", "forget")
    num_views: int = 1
    required_methods: ClassVar[tuple[str, ...]] = ()
    alternates_streams: ClassVar[bool] = False
    supports_compile: ClassVar[bool] = True
    second_order: ClassVar[bool] = False
    supports_fsdp: bool = True
    takes_steps: ClassVar[bool] = True
    state_keys: ClassVar[tuple[str, ...]] = ()
    _measured, _installed, _reloads = False, False, 0

    def streams(self, epoch: int) -> tuple[Split, ...]:
        """Streams to feed in an epoch."""
        return self.feed

    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        """Create teachers, edit weights, read the sizes of the splits; the learner has the original's weights."""

    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        """Measure the original on the device before the first step of a run, on the samples of ``feed``.

        Each process gets its share of the batches, of ``data.eval_batch_size`` rows; sums over them are reduced by
        :func:`~unlearning_pl.distributed.collectives.all_reduce_shares`.
        """

    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        """Compute the scalar loss of a step."""
        return mean_loss(learner, batch)

    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        """The plan of a fit with this method's streams and views, given the plan without it."""
        return plan.feed(self.streams, self.num_views)

    def install(self, learner: Learner, plan: TrainingPlan) -> None:
        """Replace the learner's objective; ``plan`` is that of a fit without this method and those after it."""
        require(
            learner.objective is mean_loss,
            f"Expected one method, before its plug-ins, got {type(self).__name__} after another. List it first.",
        )
        learner.objective = self.objective

    def shared_samples(
        self, trainer: Trainer, learner: Learner, names: tuple[Split, ...]
    ) -> dict[Split, Iterable[Sample]]:
        """This process's share of all samples of each split, in the views of the fit; each process gets others."""
        data: UnlearningData = trainer.datamodule  # type: ignore[attr-defined]
        plan = training_plan(trainer, learner, data.train_on).sample
        return data.samples(names, plan, learner.device, Share(trainer.global_rank, trainer.world_size))

    @property
    def is_base(self) -> bool:
        """Whether no other method lies below this one."""
        return True

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        learner, data = self._learner_and_data(trainer, pl_module)
        self._measured, self._installed = False, True
        self._reloads = trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if self.alternates_streams:
            trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
        plan = training_plan(trainer, pl_module, data.train_on, until=self)
        with isolated_rng(learner.device, run_seed(plan.sample.seed, "prepare", type(self).__name__)):
            self.prepare(learner, data)
        self.install(learner, plan)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        learner, data = self._learner_and_data(trainer, pl_module)
        self._move(learner.device)
        if hasattr(learner, "forget_mask"):
            unseen = torch.cat([data.positions("forget"), data.positions("validation")])
            mask = torch.zeros(len(data.ids), dtype=torch.bool).index_fill(0, unseen, True)
            learner.forget_mask = mask.to(learner.device)
        if not self._measured:
            plan = training_plan(trainer, pl_module, data.train_on).sample
            seed = run_seed(plan.seed, "measure", type(self).__name__, trainer.global_rank)
            with evaluation_mode(learner), isolated_rng(learner.device, seed):
                if self.is_base and hasattr(learner, "on_unlearn_start"):
                    learner.on_unlearn_start(retained_samples(data, plan, learner.device))
                self.measure(learner, self.shared_samples(trainer, learner, self.feed))
            self._measured = True

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.uninstall(trainer, pl_module)

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.uninstall(trainer, pl_module)  # after an exception Lightning calls no teardown

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"measured": self._measured, **{name: getattr(self, name) for name in self.state_keys}}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._measured = state_dict["measured"]
        for name in self.state_keys:
            setattr(self, name, state_dict[name])

    def uninstall(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the objective, at the end of a fit and after an error."""
        if not self._installed:
            return
        learner: Any = pl_module
        learner.objective = mean_loss
        if hasattr(learner, "forget_mask"):
            learner.forget_mask = None
        trainer.reload_dataloaders_every_n_epochs = self._reloads  # type: ignore[attr-defined]
        self._installed = False
        self._move("cpu")

    def _move(self, device: torch.device | str) -> None:
        for module in vars(self).values():
            if isinstance(module, nn.Module):
                module.to(device)

    def _learner_and_data(self, trainer: Trainer, pl_module: LightningModule) -> tuple[Any, UnlearningData]:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, UnlearningData):
            raise TypeError(
                f"Expected datamodule=UnlearningData(...), got {type(data).__name__}. Wrap the images in it."
            )
        supply_renamed(pl_module)
        missing = [name for name in (*PROTOCOL, *self.required_methods) if not hasattr(pl_module, name)]
        if missing:
            raise TypeError(
                f"Expected a module with {', '.join(missing)} for {type(self).__name__}, got "
                f"{type(pl_module).__name__} without them. Add them, see docs/protocol.md, or subclass Learner."
            )
        return pl_module, data
