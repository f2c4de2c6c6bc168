"""The data of a run: one pool of images, its splits, and the streams that feed training.

Letters: B rows of a batch, N images of the pool, C channels, H height, W width.
"""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DistributedSampler
from typing_extensions import override

from unlearning_pl.data.augment.view_policies import JitterViews
from unlearning_pl.data.augment.views import Views
from unlearning_pl.data.loaders import PositionLoader, RowDataset, Rows, SampleLoader, index_loader
from unlearning_pl.data.make_samples import make_eval_sample, make_sample
from unlearning_pl.data.plans import InputSpec, SamplePlan, training_plan
from unlearning_pl.data.seeds import effective_seed, run_seed, seed_generators
from unlearning_pl.data.sources.digits import Digits
from unlearning_pl.data.sources.source import Source
from unlearning_pl.data.split_datamodule import SplitDataModule
from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.streams import ALONE, DistributedBatchSampler, Share, StreamSampler, rows_per_stream
from unlearning_pl.errors import require
from unlearning_pl.types import Batch, Sample, Split

EVAL_BATCH_SIZE = 256
"""Most rows of an evaluation batch where none are given."""


class UnlearningData(SplitDataModule):
    """Images split into retain, forget, validation and test, and fed as streams.

    All images form the pool (training images, then test images): uint8, on the device if they fit there, see
    :class:`~unlearning_pl.data.pool.Pool`. A loader yields positions in the pool, with the plan of their samples (see
    ``data/plans.py``); the device makes the views. Workers decode the images of a streamed source and send them along
    with their positions. Nothing of the module changes between ``setup`` and ``teardown``.

    Args:
        source: Source of the images; scikit-learn's digits by default.
        views: Random augmentation ``(B, 3, H, W) -> (B, 3, H, W)`` of images in [0, 1]; a small jitter by default.
        forget: Which images to forget; none by default.
        validation: Fraction of the training images to hold out, in [0, 1).
        train_on: Images that ``fit`` trains on: ``all`` for the original, ``retain`` for the retrained reference.
        batch_size: Rows of a step over all processes and streams. An epoch has whole steps only and drops different
            rows each time; a stream too small for its part of the rows repeats samples within an epoch.
        workers: Number of processes per stream that decode the images of a streamed source; 0 decodes in the main
            process. Workers draw nothing at random: the run is the same with any number.
        eval_batch_size: Rows of a batch of one process in validation, tests, audits and whatever a method measures;
            ``batch_size``, but at most 256, by default. Losses that compare the images of a batch depend on it; the
            number of processes changes nothing.
    """

    def __init__(
        self,
        source: Source | None = None,
        views: Views | None = None,
        forget: ForgetRequest = ForgetRequest(),  # noqa: B008  it is frozen
        validation: float = 0.0,
        train_on: Literal["all", "retain"] = "all",
        batch_size: int = 256,
        workers: int = 0,
        eval_batch_size: int | None = None,
    ) -> None:
        super().__init__(source or Digits(), forget, validation)
        require(batch_size >= 2, f"Expected data.batch_size >= 2, got {batch_size}. Papers use 256 or 512.")
        require(workers >= 0, f"Expected data.workers >= 0, got {workers}. Choose about as many as there are cores.")
        require(
            eval_batch_size is None or eval_batch_size >= 1,
            f"Expected data.eval_batch_size >= 1, got {eval_batch_size}. Leave it out, or choose a number.",
        )
        self.views, self.train_on = views or JitterViews(), train_on
        self.batch_size, self.workers = batch_size, workers
        self.eval_batch_size = eval_batch_size or min(batch_size, EVAL_BATCH_SIZE)

    def examples(self) -> Tensor:
        """Two clean training images, normalised by the source's statistics, ``(2, 3, H, W)``."""
        self.load()
        return self.pool.normalise(self.pool.rows_at(self.positions("train")[:2])[0])

    def rows(self, streams: tuple[Split, ...], processes: int, batch_size: int | None = None) -> dict[Split, int]:
        """Rows of each stream in a step of ``batch_size`` rows, by default the module's own, over all processes.

        Raises:
            InputError: If a stream is empty or the batch does not divide.
        """
        sizes = {name: len(self.positions(name)) for name in streams}
        for name, size in sizes.items():
            remedy = (
                "Train the original with --data.validation 0.1, or give --method.target 0."
                if name == "validation"
                else "Give a forget request."
            )
            require(size > 0, f"Expected samples in the stream {name}, got none. {remedy}")
        return rows_per_stream(sizes, batch_size or self.batch_size, processes)

    def steps(self, streams: tuple[Split, ...], processes: int, batch_size: int | None = None) -> int:
        """Number of whole steps in an epoch over these streams, at least one."""
        rows = self.rows(streams, processes, batch_size)
        return max(1, sum(len(self.positions(name)) for name in rows) // sum(rows.values()))

    def loader(
        self,
        positions: Tensor,
        plan: SamplePlan,
        rows: int | None = None,
        share: Share = ALONE,
        even: bool = False,
        pin: bool = False,
    ) -> PositionLoader:
        """Make a loader of positions in order, in whole batches that processes take in turns.

        Args:
            positions: ``(N,)`` int64.
            plan: How samples are made.
            rows: Rows of a batch; ``eval_batch_size`` by default.
            share: The process that reads, among all of them.
            even: Whether each process gets the same number of batches, one of them the first again if necessary.
            pin: Whether to put streamed images into pinned memory, for a CUDA device.
        """
        rows = min(rows or self.eval_batch_size, len(positions))
        sampler = DistributedBatchSampler(positions, rows, share, even) if share.processes > 1 else None
        return self._loader(positions, plan, rows, sampler, pin)

    def samples(
        self,
        names: tuple[Split, ...],
        plan: SamplePlan,
        device: torch.device,
        share: Share = ALONE,
    ) -> dict[Split, Iterable[Sample]]:
        """Samples of each split in order, on the device: all of them, or this process's share of the batches."""
        pin = device.type == "cuda"
        loaders = {name: self.loader(self.positions(name), plan, share=share, pin=pin) for name in names}
        return {name: SampleLoader(loader, device, self.sample) for name, loader in loaders.items()}

    def sample(self, rows: Rows) -> Sample:
        """Sample of an evaluation, see :func:`~unlearning_pl.data.make_samples.make_eval_sample`."""
        return make_eval_sample(self.pool, self.views, rows)

    def samples_at(self, index: Tensor, plan: SamplePlan | None = None) -> Sample:
        """Samples at positions ``(B,)``, on the device of ``index``, with views drawn from torch's generator.

        Without a plan they are made like those of the steps of the fit that runs.
        """
        if plan is None:
            assert self.trainer is not None
            plan = training_plan(self.trainer, self.trainer.lightning_module, self.train_on).sample
        return make_sample(self.pool, self.views, Rows(index, None, plan, first=0))

    @override
    def prepare_data(self) -> None:
        self.load()  # only one process per machine downloads

    @override
    def setup(self, stage: str) -> None:
        no_request = len(self.positions("forget")) == 0
        require(
            stage != "fit" or self.train_on == "all" or not no_request,
            "Expected a forget request with data.train_on = retain, got none. "
            "Give the images to leave out, for instance --data.forget.fraction 0.1.",
        )

    @override
    def train_dataloader(self) -> CombinedLoader:
        trainer = self.trainer
        assert trainer is not None
        plan = training_plan(trainer, trainer.lightning_module, self.train_on)
        streams = plan.streams(trainer.current_epoch)
        wanted = streams, trainer.world_size, plan.batch_size(streams)
        rows, steps = self.rows(*wanted), self.steps(*wanted)
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
        taken = progress.processed % steps if trainer.fit_loop.restarting else 0
        loaders, pin = {}, trainer.strategy.root_device.type == "cuda"
        for name in rows:
            positions = self.positions(name)
            sampler = StreamSampler(positions, name, steps, rows[name], self._share, plan.sample.seed)
            sampler.resume_position = trainer.current_epoch, taken
            loaders[name] = self._loader(positions, plan.sample, rows[name] // trainer.world_size, sampler, pin)
        return CombinedLoader(loaders, "min_size")

    @override
    def val_dataloader(self) -> list[PositionLoader]:
        held_out = self.positions("validation")
        validate = self.trainer is not None and self.trainer.state.fn == "validate"
        require(
            len(held_out) > 0 or not validate,
            "Expected held-out images to validate on, got none. Train with --data.validation 0.1, or use test.",
        )
        return [self._eval_loader(held_out)] if len(held_out) else []

    @override
    def test_dataloader(self) -> PositionLoader:
        return self._eval_loader(self.positions("test"))

    @override
    def predict_dataloader(self) -> PositionLoader:
        trainer = self.trainer
        assert trainer is not None
        plan = SamplePlan.embedding(InputSpec.of(trainer.lightning_module), views=0, seed=effective_seed(trainer))
        pin = trainer.strategy.root_device.type == "cuda"
        return self.loader(torch.arange(len(self.ids)), plan, share=self._share, pin=pin)

    def _eval_loader(self, positions: Tensor) -> PositionLoader:
        trainer = self.trainer
        assert trainer is not None
        plan = SamplePlan.evaluation(InputSpec.of(trainer.lightning_module), effective_seed(trainer))
        pin = trainer.strategy.root_device.type == "cuda"
        # The same number of batches on each rank: during training, DDP's forward is a collective in evaluation too.
        return self.loader(positions, plan, share=self._share, even=True, pin=pin)

    @property
    def _share(self) -> Share:
        assert self.trainer is not None
        return Share(self.trainer.global_rank, self.trainer.world_size)

    def _loader(
        self, positions: Tensor, plan: SamplePlan, rows: int, sampler: DistributedSampler[int] | None, pin: bool
    ) -> PositionLoader:
        self.load()
        images = self.pool.images
        dataset = RowDataset(positions, plan, images.read if images.streamed else None)
        return index_loader(dataset, rows, sampler, self.workers if images.streamed else 0, pin and images.streamed)

    @override
    def on_after_batch_transfer(self, batch: Rows | dict[Split, Rows], dataloader_idx: int) -> Batch | Sample:
        if isinstance(batch, Rows):
            return self.sample(batch)
        trainer = self.trainer
        assert trainer is not None
        # The step's index in the run seeds everything random in it (views, partners, dropout).
        rows = next(iter(batch.values()))
        place = trainer.fit_loop.total_batch_idx, trainer.global_rank
        seed_generators(rows.index.device, run_seed(rows.plan.seed, "fit", *place))
        return {name: make_sample(self.pool, self.views, rows) for name, rows in batch.items()}
