"""Images that are decoded when they are read.

Letters: B rows of a batch, N images, S height and width.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from unlearning_pl.errors import InputError
from unlearning_pl.images.decode_image import CorruptImageError, Reference, decode, file_stamp, read_encoded
from unlearning_pl.images.packed_strings import PackedStrings
from unlearning_pl.images.resizing import ImageSize, side_of

_CHUNK = 64  # most images that a thread takes at a time


class EncodedImages:
    """Images that stay encoded, in files or in memory, and are decoded batch by batch.

    An object replaces a tensor of pixels ``(N, 3, S, S)`` wherever only rows of it are read. It holds the location of
    each image, or its encoded bytes.

    Args:
        encoded: Location or bytes of each image.
        names: Name of each image in messages.
        image_size: S, to which the largest centred square is resized, or a
            :class:`~unlearning_pl.images.resizing.Resize`.

    Example:
        >>> images = EncodedImages([b"no image"], ["a.png"], image_size=8)
        >>> images.shape
        (1, 3, 8, 8)
        >>> images.read(torch.tensor([0]))
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected an image that Pillow reads, got a.png (no image format that ...
    """

    def __init__(self, encoded: Sequence[Reference | bytes], names: Sequence[str], image_size: ImageSize) -> None:
        files = {image.path: 0 for image in encoded if isinstance(image, Reference)}
        files = {path: number for number, path in enumerate(files)}
        held = [image for image in encoded if isinstance(image, bytes)]
        ends = iter(np.cumsum([0, *map(len, held)]).tolist())
        places = [
            (files[image.path], *_extent(image)) if isinstance(image, Reference) else (-1, next(ends), len(image))
            for image in encoded
        ]
        self._locations: npt.NDArray[np.int64] = np.array(places, dtype=np.int64).reshape(-1, 3)  # file, offset, size
        self._paths, self._names, self._rows = PackedStrings(files), PackedStrings(names), np.arange(len(encoded))
        self._content = np.frombuffer(b"".join(held), dtype=np.uint8)
        self._image_size = image_size

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape ``(N, 3, S, S)`` that a tensor of all pixels would have."""
        side = side_of(self._image_size) or 1
        return len(self), 3, side, side

    @property
    def digest(self) -> bytes:
        """SHA-256 of the number of bytes of each image and of S, for the fingerprint of the data.

        It does not cover the bytes themselves: reading a whole set that does not fit in memory would take minutes to
        hours. An image replaced by another of the same number of bytes therefore goes unnoticed.
        """
        sizes = self._locations[self._rows, 2].astype("<i8")
        return hashlib.sha256(sizes.tobytes() + repr(self._image_size).encode()).digest()

    def take(self, rows: Tensor | Sequence[int] | slice) -> "EncodedImages":
        """Select the images at ``rows``, in that order, without reading them."""
        chosen = copy(self)
        chosen._rows = self._rows[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        return chosen

    __getitem__ = take

    def read(self, rows: Tensor) -> Tensor:
        """Decode the images at ``rows`` ``(B,)`` to pixels ``(B, 3, S, S)`` uint8.

        Raises:
            InputError: If an image cannot be decoded; the message names it.
        """
        wanted = self._rows[rows.cpu().numpy()]
        pixels = np.empty((len(wanted), *self.shape[1:]), dtype=np.uint8)

        def read(place: int) -> None:
            pixels[place] = self._decode(int(wanted[place]))

        map_threads(read, len(wanted))
        return torch.from_numpy(pixels)

    def _decode(self, row: int) -> npt.NDArray[np.uint8]:
        file, offset, size = self._locations[row].tolist()
        try:
            if file < 0:
                return decode(self._content[offset : offset + size].tobytes(), self._image_size)
            return decode(read_encoded(Reference(self._paths[file], offset, size)), self._image_size)
        except CorruptImageError as error:
            raise InputError(
                f"Expected an image that Pillow reads, got {self._names[row]} ({error}). "
                "Repair it, or skip corrupt images with on_error: skip."
            ) from error


def _extent(image: Reference) -> tuple[int, int]:
    size = image.size if image.size >= 0 else max(0, file_stamp(image.path)[0] - image.offset)
    return image.offset, size


def map_threads(work: Callable[[int], None], count: int) -> None:
    """Call ``work`` with 0 to ``count - 1``, in as many threads as the process has cores; Pillow releases the GIL.

    A worker process of a data loader uses one thread, since other workers run beside it.

    Example:
        >>> done = []
        >>> map_threads(done.append, 100)
        >>> sorted(done) == list(range(100))
        True
    """

    def chunk(start: int) -> None:
        for row in range(start, min(start + step, count)):
            work(row)

    threads = 1 if get_worker_info() else available_cores()
    step = max(1, min(_CHUNK, count // threads))
    if threads == 1 or count < 2:
        step = count
        return chunk(0)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(chunk, range(0, count, step)):
            pass
    return None


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
