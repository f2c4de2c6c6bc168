"""An owner's images: a folder of files, read in batches, and the views that are made of them before anybody sees them.

Letters: N images, B rows of a batch, V views of each, H height, W width.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearning_pl.data import Views
from unlearning_pl.data.streams import run_seed
from unlearning_pl.errors import InputError, require

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
BATCH = 64
"""Images whose views are made together: part of what is drawn, and so the same for every model."""
_NAMED = 5  # files that a message names


@dataclass(frozen=True)
class OwnerImages:
    """Image files below a folder.

    Attributes:
        folder: Where they are.
        ids: Their paths in the folder, sorted.
        digests: SHA-256 of each file.
    """

    folder: Path
    ids: tuple[str, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def fingerprint(self) -> str:
        """SHA-256 of all names and contents: which images an audit was of."""
        told = "\n".join(f"{name}\0{digest}" for name, digest in zip(self.ids, self.digests, strict=True))
        return f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"

    def batches(self, image_size: tuple[int, int]) -> Iterator[Tensor]:
        """All images in order, resized, ``(B, H, W, 3)`` uint8."""
        for start in range(0, len(self), BATCH):
            rows = [_read(self.folder / name, image_size) for name in self.ids[start : start + BATCH]]
            yield torch.from_numpy(np.stack(rows))


def open_owner_images(folder: str | Path) -> OwnerImages:
    """Find all image files below a folder (png, jpg, webp, bmp) and read each once; hidden files are left out.

    Raises:
        InputError: If there is no such folder, it has no image, or some of the files cannot be read.

    Example:
        >>> open_owner_images("nowhere")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a folder of images, got nowhere, which is none. Correct the path.
    """
    place = Path(folder).expanduser()
    require(place.is_dir(), f"Expected a folder of images, got {folder}, which is none. Correct the path.")
    found = (path.relative_to(place) for path in place.rglob("*") if path.suffix.lower() in KINDS and path.is_file())
    names = sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))
    require(bool(names), f"Expected images ({', '.join(KINDS)}) in {folder}, got none. Give another folder.")
    broken = [name for name in names if not _sound(place / name)]
    shown = ", ".join(broken[:_NAMED]) + (" and others" if len(broken) > _NAMED else "")
    require(
        not broken,
        f"Expected images that can be read in {folder}, got {len(broken)} that cannot: {shown}. Repair or remove them.",
    )
    digests = tuple(hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names)
    return OwnerImages(place, tuple(names), digests)


def require_disjoint(images: OwnerImages, unseen: OwnerImages) -> None:
    """Refuse unseen images that are among those to forget: an attack cannot tell an image from itself.

    Raises:
        InputError: If a file is in both sets.
    """
    known = dict(zip(images.digests, images.ids, strict=True))
    same = [(known[digest], name) for digest, name in zip(unseen.digests, unseen.ids, strict=True) if digest in known]
    require(
        not same,
        f"Expected unseen images that are not among the images, got {len(same)} in both, such as "
        f"{same[0] if same else ''}. Give images that no model was given.",
    )


def augmented_views(images: Tensor, policy: Views, count: int, *where: int | str) -> Tensor:
    """Augmented views of a batch, rounded to whole shades, since that is what goes over a wire.

    Every model is so shown the same: what is drawn follows from the place of the batch alone, and nothing else of what
    is random moves on.

    Args:
        images: ``(B, H, W, 3)`` uint8.
        policy: What a view is.
        count: V.
        where: Names the place of the batch.

    Returns:
        ``(V, B, H, W, 3)`` uint8.

    Example:
        >>> from unlearning_pl.data import JitterViews
        >>> augmented_views(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), JitterViews(), 3, "forget", 0).shape
        torch.Size([3, 2, 8, 8, 3])
    """
    clean = images.permute(0, 3, 1, 2).float() / 255
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run_seed("owner", *where))
        views: Tensor = policy(clean.repeat(count, 1, 1, 1))
    shades = (views * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return shades.reshape(count, *images.shape)


def _sound(path: Path) -> bool:
    try:
        _read(path, (1, 1))
    except InputError:
        return False
    return True


def _read(path: Path, image_size: tuple[int, int]) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    height, width = image_size
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    except Exception as error:  # Pillow's formats raise OSError, SyntaxError, struct.error and more
        raise InputError(f"Expected an image that can be read, got {path}. Repair or remove it.") from error
