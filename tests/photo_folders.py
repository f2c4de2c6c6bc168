"""Small photographs in folders of classes."""

from pathlib import Path

import torch
from PIL import Image

CLASSES = ("cat", "dog", "emu")


def write_photos(folder: Path, count: int = 4, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Path:
    """Write noise as ``CLASS/NUMBER.png``, of 50 by 40 pixels."""
    generator = torch.Generator().manual_seed(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = torch.randint(256, (40, 50, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / name / f"{number}.png")
    return folder


def folder_options(photos: Path) -> list[str]:
    """Options of ``--data`` for ``photos/train`` and ``photos/test``."""
    train, test = f"--data.source.train={photos}/train", f"--data.source.test={photos}/test"
    return ["--data.source", "Folder", train, test]
