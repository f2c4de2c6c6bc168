"""An owner's images: a folder of files, read in batches, and their augmented views, generated on the owner's machine.

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

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
BATCH = 64
"""Batch size of the augmentation; it determines the random views and is therefore the same for every model."""
_MAX_NAMES = 5  # files that a message lists


@dataclass(frozen=True)
class OwnerImages:
    """Image files below a folder.

    Attributes:
        folder: The folder.
        ids: Paths relative to the folder, sorted.
        digests: SHA-256 of each file.
    """

    folder: Path
    ids: tuple[str, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def fingerprint(self) -> str:
        """SHA-256 of all names and contents, which identifies the images of an audit."""
        lines = "\n".join(f"{name}\0{digest}" for name, digest in zip(self.ids, self.digests, strict=True))
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"

    def batches(self, image_size: tuple[int, int]) -> Iterator[Tensor]:
        """Yield all images in order, resized, as ``(B, H, W, 3)`` uint8."""
        for start in range(0, len(self), BATCH):
            rows = [_read(self.folder / name, image_size) for name in self.ids[start : start + BATCH]]
            yield torch.from_numpy(np.stack(rows))


def open_owner_images(folder: str | Path) -> OwnerImages:
    """Find all image files below a folder (png, jpg, webp, bmp) and read each once; skips hidden files.

    Raises:
        InputError: If the folder does not exist or has no image, or some files cannot be read.

    Example:
        >>> open_owner_images("nowhere")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a folder of images, got nowhere, which is none. Correct the path.
    """
    root = Path(folder).expanduser()
    require(root.is_dir(), f"Expected a folder of images, got {folder}, which is none. Correct the path.")
    paths = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    names = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    require(bool(names), f"Expected images ({', '.join(EXTENSIONS)}) in {folder}, got none. Give another folder.")
    broken = [name for name in names if not _is_readable(root / name)]
    listed = ", ".join(broken[:_MAX_NAMES]) + (" and others" if len(broken) > _MAX_NAMES else "")
    require(
        not broken,
        f"Expected images that can be read in {folder}, got {len(broken)} that cannot: {listed}. "
        "Repair or remove them.",
    )
    digests = tuple(hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names)
    return OwnerImages(root, tuple(names), digests)


def require_disjoint(images: OwnerImages, unseen: OwnerImages) -> None:
    """Check that no unseen image is among those to forget, as an attack cannot distinguish an image from itself.

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
    """Augmented views of a batch, rounded to uint8, the format of the wire protocol.

    All models get the same views: the random state depends on the position of the batch only, and the global random
    state does not change.

    Args:
        images: ``(B, H, W, 3)`` uint8.
        policy: Augmentation of a view.
        count: V.
        where: Position of the batch, for example split and number.

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
    rounded = (views * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return rounded.reshape(count, *images.shape)


def _is_readable(path: Path) -> bool:
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
