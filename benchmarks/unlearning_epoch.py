"""Alignment calibration by this package, beside a plain loop of three passes over Pillow images.

    python benchmarks/unlearning_epoch.py --backbone resnet9_slim --batch 256 --images 2560 --steps 10
    python benchmarks/unlearning_epoch.py --backbone resnet18 --batch 32 --images 320 --steps 10 --output FILE.json

The plain loop does what public code of the method does (Wang, Lu et al., arXiv 2406.03603): a DataLoader whose workers
augment Pillow images one by one with torchvision, three views of each; a pass of all rows for each view; NT-Xent of the
first two, the second of which is another forget image's, and the cosine of the first and the third; SGD. Its workers
stay from epoch to epoch; memory format, precision and the optimiser's kernels are those of ours. It has neither logs
nor checkpoints. Ours is as a user runs it: a folder, TensorBoard, a progress bar, checkpoints; once by
default (partners of the batch, two views) and once by the authors' definition (partners of the data set, three views).

Images are those of CIFAR-10, or random ones. As many steps are counted as an epoch has by default, so that one end of
an epoch is among them. The end of our runs, with the last checkpoint, has rows of its own.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import throughput
import torch
from lightly.loss import NTXentLoss
from PIL import Image
from timed_unlearning import add_options, make_learner, quiet, take_turns, train_original, unlearn
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from typing_extensions import override
from write_figures import write_figures

from unlearning_pl.data import ContrastiveViews, ForgetRequest, ImageSet, Parquet, Source, UnlearningData
from unlearning_pl.learners import SimCLR
from unlearning_pl.learners.fused_optimizer import use_fused
from unlearning_pl.methods import AlignmentCalibration
from unlearning_pl.training.cuda_precision import cuda_precision

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FewImages(Source):
    """The first training images of another source."""

    mean, std = MEAN, STD

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, count

    @override
    def load(self) -> tuple[ImageSet, ImageSet]:
        train, test = self.source.load()
        return train.take(list(range(self.count))), test.take(list(range(10)))


class PillowTriads(Dataset[tuple[tuple[Tensor, ...], int]]):
    """Three views of each image: two of its own, and between them one of a random forget image for a forget image."""

    def __init__(self, images: Tensor, forget: Tensor) -> None:
        self.images, self.forget = images.permute(0, 2, 3, 1).numpy(), forget
        self.forgotten = set(forget.tolist())
        self.augment = transforms.Compose(
            [
                transforms.RandomResizedCrop(images.shape[-1], scale=(0.1, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                transforms.RandomGrayscale(0.2),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    @override
    def __getitem__(self, row: int) -> tuple[tuple[Tensor, ...], int]:
        partner = row
        if row in self.forgotten:
            partner = int(self.forget[torch.randint(len(self.forget), ())])
        return tuple(self.augment(Image.fromarray(self.images[place])) for place in (row, partner, row)), row


def endless(loader: DataLoader[tuple[tuple[Tensor, ...], int]]) -> Iterator[tuple[list[Tensor], Tensor]]:
    while True:
        yield from loader


def plain(options: argparse.Namespace, data: UnlearningData) -> float:
    """Seconds of the counted steps of the plain loop."""
    train, _ = data.load()
    assert isinstance(train.images, Tensor)
    forget = data.positions("forget")
    triads = PillowTriads(train.images, forget)
    device = throughput.device_of(options)
    loader = DataLoader(
        triads,
        options.batch,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        pin_memory=device.type == "cuda",
    )
    learner = make_learner(options)
    assert isinstance(learner, SimCLR)
    model = nn.Sequential(learner.backbone, learner.projection_head)
    model.to(device, memory_format=torch.channels_last).train()
    optimizer = SGD(model.parameters(), lr=0.006, momentum=0.9, weight_decay=5e-4)
    use_fused(optimizer)
    contrast, share, start = NTXentLoss(temperature=learner.temperature), len(forget) / len(triads), 0.0
    for step, (views, rows) in zip(range(throughput.WARM + options.steps), endless(loader), strict=False):
        if step == throughput.WARM:
            throughput.settle()
            start = time.perf_counter()
        forgotten = torch.isin(rows, forget).nonzero().flatten()
        with throughput.autocast_of(options):
            first, partner, own = (model(placed(view, device)) for view in views)
            loss = contrast(first, partner)
            if len(forgotten):
                forgotten = forgotten.to(device)
                loss = loss + options.beta * share * torch.cosine_similarity(first[forgotten], own[forgotten]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    throughput.settle()
    return time.perf_counter() - start


def placed(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device, non_blocking=True, memory_format=torch.channels_last)


def make_data(options: argparse.Namespace) -> UnlearningData:
    if options.data is None:
        source: Source = throughput.RandomImages(options.images, options.size)
    else:
        parts = (str(options.data / f"{split}-*.parquet") for split in ("train", "test"))
        source = FewImages(Parquet(*parts), options.images)
    views = ContrastiveViews(min_scale=0.1)
    data = UnlearningData(source, views, ForgetRequest(fraction=0.1), batch_size=options.batch)
    data.load()
    return data


def in_tf32(options: argparse.Namespace, data: UnlearningData) -> float:
    """The plain loop with the trainer's precision of float32 products on CUDA."""
    with cuda_precision(throughput.device_of(options), True):
        return plain(options, data)


def ours_timed(
    options: argparse.Namespace,
    data: UnlearningData,
    original: Path,
    method: Callable[[], AlignmentCalibration],
    ends: list[float],
) -> float:
    return unlearn(options, data, original, method(), [], True, ends=ends)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--data", type=Path, help="Folder of CIFAR-10 in parquet files; random images by default.")
    parser.add_argument("--beta", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2, help="Workers of the plain loop's DataLoader.")
    options = parser.parse_args()
    ours = {
        "ours": partial(AlignmentCalibration, beta=options.beta),
        "ours, authors' definition": partial(AlignmentCalibration, beta=options.beta, partner="dataset", views=3),
    }
    data, ends = make_data(options), {name: list[float]() for name in ours}
    with TemporaryDirectory() as folder:
        with quiet():
            original = train_original(options, data, Path(folder))
        ways = {"plain loop": lambda: in_tf32(options, data)}
        for name, method in ours.items():
            ways[name] = partial(ours_timed, options, data, original, method, ends[name])
        seconds = take_turns(ways, options.rounds)
    medians = {name: median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        rate = options.batch * options.steps / value
        sys.stdout.write(f"{name:28}{rate:10.1f} images/s{medians['plain loop'] / value:8.2f}\n")
    for name, values in ends.items():
        sys.stdout.write(f"{name}: {throughput.END} {median(values):.3f}\n")
    write_figures(options, seconds=seconds, ends=ends)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
