"""An owner's images: a folder of files, read in batches, and their augmented views, generated on the owner's machine.

Letters: N images, B rows of a batch, V views of each, H height, W width.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from unlearning_pl.data import Views
from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decode_image import CorruptImageError, Reference, decode, read_encoded
from unlearning_pl.images.image_formats import image_suffixes, unread_suffixes
from unlearning_pl.images.machine_memory import available_memory
from unlearning_pl.images.resizing import Resize

BATCH = 64
"""Batch size of the augmentation; it determines the random views and is therefore the same for every model."""
_MAX_NAMES = 5  # files that a message lists
_BYTES_PER_VALUE = 32  # of a channel of a pixel of a view, while ContrastiveViews, the most expensive policy, makes it


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

    def batches(self, image_size: tuple[int, int], resize: Resize | None = None) -> Iterator[Tensor]:
        """Yield all images in order, resized or else stretched to ``image_size``, as ``(B, H, W, 3)`` uint8."""
        for start in range(0, len(self), BATCH):
            rows = [self._read(name, image_size, resize) for name in self.ids[start : start + BATCH]]
            yield torch.from_numpy(np.stack(rows))

    def _read(self, name: str, image_size: tuple[int, int], resize: Resize | None) -> "npt.NDArray[np.uint8]":
        try:
            pixels = decode(read_encoded(Reference(str(self.folder / name))))
        except CorruptImageError as error:
            path = self.folder / name
            raise InputError(
                f"Expected an image that can be read, got {path} ({error}). Repair or remove it."
            ) from error
        height, width = image_size
        image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        if resize is not None:
            return np.asarray(resize(image))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def open_owner_images(folder: str | Path) -> OwnerImages:
    """Find all image files below a folder and read each once; skips hidden files, and files that are no pictures.

    Raises:
        InputError: If the folder does not exist or has no image, or some files cannot be read: they are damaged, or
            pictures in a format that is not read.

    Example:
        >>> open_owner_images("nowhere")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a folder of images, got nowhere, which is none. Correct the path.
    """
    root = Path(folder).expanduser()
    require(root.is_dir(), f"Expected a folder of images, got {folder}, which is none. Correct the path.")
    pictures = image_suffixes() | unread_suffixes().keys()
    paths = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in pictures and path.is_file())
    names = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    require(
        bool(names), f"Expected images (png, jpg, webp, tiff and others) in {folder}, got none. Give another folder."
    )
    results = {name: _digest_or_fault(root / name) for name in names}
    faults = [f"{name} ({fault})" for name, (_, fault) in results.items() if fault]
    listed = ", ".join(faults[:_MAX_NAMES]) + (" and others" if len(faults) > _MAX_NAMES else "")
    require(
        not faults,
        f"Expected images that can be read in {folder}, got {len(faults)} that cannot: {listed}. "
        "Repair or remove them.",
    )
    return OwnerImages(root, tuple(names), tuple(digest for digest, _ in results.values()))


def _digest_or_fault(path: Path) -> tuple[str, str]:
    """SHA-256 of an image file, or why it cannot be read."""
    unread = unread_suffixes().get(path.suffix.lower())
    if unread:
        return "", f"{unread} is not read: convert it to PNG"
    try:
        data = read_encoded(Reference(str(path)))
        decode(data, 1)
    except CorruptImageError as error:
        return "", str(error)
    return hashlib.sha256(data).hexdigest(), ""


def require_memory(name: str, image_size: tuple[int, int], images: int, views: int) -> None:
    """Check that a batch of views fits into memory, as a server may state any image size.

    Args:
        name: The model, in the message.
        image_size: Height and width of its images.
        images: Number of images of the audit.
        views: V.

    Raises:
        InputError: If it does not fit.

    Example:
        >>> require_memory("http://localhost:8000", (224, 224), images=2, views=2)
    """
    height, width = image_size
    rows, available = min(BATCH, images), available_memory()
    needed = rows * (views + 1) * 3 * height * width * _BYTES_PER_VALUE
    require(
        needed <= available,
        f"Expected an image size whose views fit into memory, got {height}x{width} from {name}: {rows} images in "
        f"{views} views may take {needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free. Give fewer --views, or "
        "contact the operator of the model.",
    )


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
    with isolated_rng(clean.device, run_seed(0, "owner", *where)):
        views: Tensor = policy(clean.repeat(count, 1, 1, 1))
    rounded = (views * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return rounded.reshape(count, *images.shape)
