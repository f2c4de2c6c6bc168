"""Images a second of random views: a batch at once, per image by torchvision and Pillow, and by kornia's container.

    python benchmarks/views.py --rounds 5
    python benchmarks/views.py --sizes 224 --batch 16 64 256 --policies ContrastiveViews CropViews --output FILE.json
    python benchmarks/views.py --accelerator gpu --batch 128 512 2048

All draw the same policy with the same ranges. The package and kornia get float images in [0, 1] on the device, a batch
at once; torchvision gets Pillow images one by one, as a worker of a loader does, on one core and without decoding
them, and ends in tensors. They take turns within a round; medians over rounds. torchvision's rate does not depend on
the batch and is measured with 64 images. The first batch of each size is not counted.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import kornia.augmentation as K
import torch
from throughput import settle
from torch import Tensor, nn
from torchvision import transforms as T
from torchvision.transforms.functional import to_pil_image
from write_figures import write_figures

from unlearning_pl.data import ContrastiveViews, CropViews, JitterViews, SupervisedViews
from unlearning_pl.data.augment.view_policies import Views

PILLOW = 64
"""Images that torchvision is measured with."""
POLICIES: dict[str, Views] = {
    "ContrastiveViews": ContrastiveViews(),
    "CropViews": CropViews(),
    "SupervisedViews": SupervisedViews(),
    "JitterViews": JitterViews(),
}


def torchvision_views(policy: str, size: int) -> Callable[[object], Tensor]:
    """The same policy for a Pillow image."""
    flip = T.RandomHorizontalFlip()
    steps: dict[str, list[Callable[..., object]]] = {
        "ContrastiveViews": [
            T.RandomResizedCrop(size, scale=(0.2, 1)),
            flip,
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            T.RandomGrayscale(0.2),
            T.ToTensor(),
        ],
        "CropViews": [T.RandomResizedCrop(size), flip, T.ToTensor()],
        "SupervisedViews": [T.RandomCrop(size, padding=4), flip, T.ToTensor()],
        "JitterViews": [
            T.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=T.InterpolationMode.BILINEAR),
            T.ToTensor(),
            lambda image: (image + 0.05 * torch.randn_like(image)).clamp(0, 1),
        ],
    }
    composed: Callable[[object], Tensor] = T.Compose(steps[policy])
    return composed


def kornia_views(policy: str, size: int) -> Callable[[Tensor], Tensor]:
    """The same policy for a batch, by kornia."""
    flip, square = K.RandomHorizontalFlip(p=0.5), (size, size)
    steps: dict[str, Sequence[nn.Module]] = {
        "ContrastiveViews": [
            K.RandomResizedCrop(square, scale=(0.2, 1.0)),
            flip,
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
        ],
        "CropViews": [K.RandomResizedCrop(square, scale=(0.08, 1.0)), flip],
        "SupervisedViews": [K.RandomCrop(square, padding=4, p=1.0), flip],
        "JitterViews": [K.RandomAffine(10.0, (0.1, 0.1), (0.9, 1.1), p=1.0), K.RandomGaussianNoise(std=0.05, p=1.0)],
    }
    container: Callable[[Tensor], Tensor] = K.AugmentationSequential(*steps[policy], data_keys=["input"])
    return container


def ways(policy: str, images: Tensor) -> dict[str, tuple[int, Callable[[], object]]]:
    """Number of images and a call that draws a view of each, by name."""
    views, size = POLICIES[policy], images.shape[-1]
    pictures = [to_pil_image(image) for image in images[:PILLOW].cpu()]
    one, container = torchvision_views(policy, size), kornia_views(policy, size)
    return {
        "here": (len(images), lambda: views(images)),
        "kornia": (len(images), lambda: container(images)),
        "torchvision, Pillow": (len(pictures), lambda: torch.stack([one(picture) for picture in pictures])),
    }


def rates(policy: str, images: Tensor, rounds: int) -> dict[str, float]:
    """Images a second of each way."""
    found = ways(policy, images)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name in [*found][number % 3 :] + [*found][: number % 3]:
            settle()
            start = time.perf_counter()
            found[name][1]()
            settle()
            seconds[name].append(time.perf_counter() - start)
    return {name: count / median(seconds[name][1:]) for name, (count, _) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", nargs="+", default=[*POLICIES], choices=[*POLICIES])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 224], help="Pixels of a side.")
    parser.add_argument("--batch", type=int, nargs="+", default=[256], help="Images of a batch.")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options = parser.parse_args()
    device, figures = torch.device("cuda" if options.accelerator == "gpu" else "cpu"), {}
    torch.manual_seed(0)
    sys.stdout.write("| policy | size | batch | here | kornia | torchvision, Pillow |\n|---|---|---|---|---|---|\n")
    for policy in options.policies:
        for size in options.sizes:
            for batch in options.batch:
                found = rates(policy, torch.rand(batch, 3, size, size, device=device), options.rounds)
                figures[f"{policy}, {size}, {batch}"] = found
                cells = [f"{found[name]:.0f} ({found['here'] / found[name]:.1f})" for name in [*found][1:]]
                sys.stdout.write(f"| {policy} | {size} | {batch} | {found['here']:.0f} | {' | '.join(cells)} |\n")
    write_figures(options, images_per_second=figures)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
