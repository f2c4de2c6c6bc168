"""The data of a run: one pool of images, its splits, and the streams that feed training.

Letters: B rows of a batch, N images of the pool, C channels, H height, W width.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DistributedSampler
from typing_extensions import override

from unlearning_pl.data.augment.view_policies import JitterViews, Views
from unlearning_pl.data.captions import Captions
from unlearning_pl.data.loaders import PositionLoader, SampleLoader, StreamedBatch, StreamedPositions, index_loader
from unlearning_pl.data.sources.digits import Digits
from unlearning_pl.data.sources.source import Source
from unlearning_pl.data.split_datamodule import SplitDataModule
from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.streams import DistributedBatchSampler, Positions, StreamSampler, rows_per_stream, run_seed
from unlearning_pl.errors import require
from unlearning_pl.types import Batch, Pixels, Sample, Split

Streams = Callable[[int], tuple[Split, ...]]  # epoch -> names
Fed = (
    Tensor | StreamedBatch | dict[Split, Tensor | StreamedBatch]
)  # the batch of a step: positions, with their images if streamed


class UnlearningData(SplitDataModule):
    """Images split into retain, forget, validation and test, and fed as streams.

    All images form the pool (training images, then test images): uint8, on the device if they fit there, see
    :class:`~unlearning_pl.data.pool.Pool`. A loader yields positions in the pool; the device makes the views. Workers
    decode the images of a streamed source and send them along with their positions.

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
    ) -> None:
        super().__init__(source or Digits(), forget, validation)
        require(batch_size >= 2, f"Expected data.batch_size >= 2, got {batch_size}. Papers use 256 or 512.")
        require(workers >= 0, f"Expected data.workers >= 0, got {workers}. Choose about as many as there are cores.")
        self.views, self.train_on = views or JitterViews(), train_on
        self.batch_size, self.workers = batch_size, workers
        self.num_views: int | None = None  # the learner's own number
        self._predict_splits: tuple[Split, ...] | None = None
        self._predict_views = 0
        self.streams: Streams = self._default_streams

    def examples(self) -> Tensor:
        """Two clean training images, normalised for the learner, ``(2, 3, H, W)``."""
        self.load()
        return self.pool.normalise(self.pool.rows_at(self.positions("train")[:2])[0])

    def feed(self, streams: Streams | None) -> None:
        """Set the streams of each epoch, chosen by a method; None restores those of ``train_on``."""
        self.streams = streams or self._default_streams

    def _default_streams(self, epoch: int) -> tuple[Split, ...]:
        return ("train",) if self.train_on == "all" else ("retain",)

    def rows(self, streams: tuple[Split, ...], processes: int) -> dict[Split, int]:
        """Rows of each stream in a step, over all processes.

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
        return rows_per_stream(sizes, self.batch_size, processes)

    def steps(self, streams: tuple[Split, ...], processes: int) -> int:
        """Number of whole steps in an epoch over these streams, at least one."""
        rows = self.rows(streams, processes)
        return max(1, sum(len(self.positions(name)) for name in rows) // sum(rows.values()))

    def samples_at(self, index: Tensor) -> Sample:
        """Samples at positions ``(B,)``, with new views as in training, on the device of ``index``."""
        with torch.no_grad(), torch.autocast(index.device.type, enabled=False):
            return self._sample(index)

    def eval_samples(self, rows: Tensor | StreamedBatch, views: int) -> Sample:
        """Samples at positions ``(B,)`` for an audit: the clean image, augmented views, all captions."""
        index, read = rows if isinstance(rows, StreamedBatch) else (rows, None)
        images, target = self.pool.rows_at(index, read)
        inputs = (images, *self._augmented(images, views))
        captions = self._captions()
        return Sample(self._normalise(inputs), target, index, None if captions is None else captions.all(index))

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
        streams = self.streams(trainer.current_epoch)
        rows, steps = self.rows(streams, trainer.world_size), self.steps(streams, trainer.world_size)
        loop = trainer.fit_loop
        progress: Any = loop.epoch_loop.batch_progress.current
        taken = progress.processed % steps if loop.restarting else 0
        loaders = {}
        for name in rows:
            dataset = self._dataset(self.positions(name))
            sampler = StreamSampler(dataset, name, steps, rows[name], trainer.global_rank, trainer.world_size)
            sampler.resume_position = trainer.current_epoch, taken
            loaders[name] = self._loader(dataset, rows[name] // trainer.world_size, sampler)
        return CombinedLoader(loaders, "min_size")

    @override
    def val_dataloader(self) -> list[PositionLoader]:
        held_out = self.positions("validation")
        validate = self.trainer is not None and self.trainer.state.fn == "validate"
        require(
            len(held_out) > 0 or not validate,
            "Expected held-out images to validate on, got none. Train with --data.validation 0.1, or use test.",
        )
        # The same number of batches on each rank: during training, DDP's forward is a collective in evaluation too.
        return [self._distributed_loader(held_out, even=True)] if len(held_out) else []

    @override
    def test_dataloader(self) -> PositionLoader:
        return self._distributed_loader(self.positions("test"), even=True)

    @override
    def predict_dataloader(self) -> PositionLoader | list[PositionLoader]:
        if self._predict_splits is None:
            return self._in_order(torch.arange(len(self.ids)))
        return [self._distributed_loader(self.positions(split)) for split in self._predict_splits]

    def samples(self, splits: tuple[Split, ...], device: torch.device) -> dict[Split, Iterable[Sample]]:
        """All samples of each split in order, on the device; every process iterates over all of them."""
        return {name: SampleLoader(self._in_order(self.positions(name)), device, self._sample) for name in splits}

    def set_predict_splits(self, splits: tuple[Split, ...] | None, views: int) -> None:
        """Set the splits that ``predict`` reads: one loader each, with augmented views beside the clean image.

        None and 0 restore the default: every image of the pool, clean.
        """
        self._predict_splits, self._predict_views = splits, views

    def _distributed_loader(self, positions: Tensor, even: bool = False) -> PositionLoader:
        assert self.trainer is not None
        if self.trainer.world_size == 1:
            return self._in_order(positions)
        rows, dataset = min(self.batch_size, len(positions)), self._dataset(positions)
        sampler = DistributedBatchSampler(dataset, rows, self.trainer.global_rank, self.trainer.world_size, even)
        return self._loader(dataset, rows, sampler)

    def _in_order(self, positions: Tensor) -> PositionLoader:
        return self._loader(self._dataset(positions), min(self.batch_size, len(positions)), None)

    def _dataset(self, positions: Tensor) -> Positions:
        self.load()
        images = self.pool.images
        return StreamedPositions(positions, images.read) if images.streamed else Positions(positions)

    def _loader(self, dataset: Positions, rows: int, sampler: DistributedSampler[int] | None) -> PositionLoader:
        assert self.trainer is not None
        streamed = self.pool.images.streamed
        pin = streamed and self.trainer.strategy.root_device.type == "cuda"
        return index_loader(dataset, rows, sampler, self.workers if streamed else 0, pin)

    @override
    def on_before_batch_transfer(self, batch: Fed, dataloader_idx: int) -> Fed:
        # The step's index in the run seeds everything random in it (views, partners, dropout).
        trainer = self.trainer
        assert trainer is not None
        if isinstance(batch, dict):
            torch.manual_seed(run_seed("fit", trainer.fit_loop.total_batch_idx, trainer.global_rank))
        elif not trainer.training:
            index = batch.index if isinstance(batch, StreamedBatch) else batch
            torch.manual_seed(run_seed("evaluate", int(index[0])))
        return batch

    @override
    @torch.no_grad()
    def on_after_batch_transfer(self, batch: Fed, dataloader_idx: int) -> Batch | Sample:
        if isinstance(batch, dict):
            return {name: self._sample(rows) for name, rows in batch.items()}
        return self._sample(batch)

    def _sample(self, rows: Tensor | StreamedBatch) -> Sample:
        trainer = self.trainer
        assert trainer is not None
        if trainer.predicting:
            return self.eval_samples(rows, self._predict_views)
        index, read = rows if isinstance(rows, StreamedBatch) else (rows, None)
        images, target = self.pool.rows_at(index, read)
        own: int = getattr(trainer.lightning_module, "num_views", 2)
        if trainer.training:
            views = self._augmented(images, own if self.num_views is None else self.num_views)
        else:  # a method may train with more views, but a classifier is evaluated on the clean image
            views = self._augmented(images, own) if own > 1 else (images,)
        captions, text = self._captions(), None
        if captions is not None:
            text = captions.draw(index) if trainer.training else captions.first(index)
        return Sample(self._normalise(views), target, index, text)

    def _learner_attribute(self, name: str) -> Any:
        """An attribute of the learner that describes its input; None without a learner or the attribute."""
        return None if self.trainer is None else getattr(self.trainer.lightning_module, name, None)

    def _captions(self) -> Captions | None:
        length: int | None = self._learner_attribute("context_length")
        return None if length is None else self.pool.text(length)

    def _normalise(self, views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        pixels: Pixels | None = self._learner_attribute("pixels")
        return tuple(self.pool.normalise(view, pixels) for view in views)

    def _augmented(self, images: Tensor, count: int) -> tuple[Tensor, ...]:
        return self.views(images.repeat(count, 1, 1, 1)).chunk(count) if count else ()
