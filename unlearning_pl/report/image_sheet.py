"""Contact sheet of images as PNG: one row per sample, with its images side by side and its captions below.

Images are enlarged by an integer factor, so that images of 8x8 pixels are visible, and never resampled.
Letters: L images of a row, K the factor, H height, W width.
"""

import textwrap
import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.errors import printable

_DPI, _LINE_HEIGHT, _GAP, _FONT_SIZE, _CHARACTER_WIDTH = 100, 16, 6, 8.0, 7
"""Pixels per inch, per text line, between images; font size in points; pixels per character, a wide one."""
_MIN_SIZE = 128
"""Size in pixels up to which small images are enlarged."""


class Row(NamedTuple):
    """One sample of a sheet.

    Args:
        names: Lines of text to the left: its id, its class.
        images: Images in [0, 1], ``(L, 3, H, W)``.
        captions: Lines of text below.
    """

    names: tuple[str, ...]
    images: Tensor
    captions: tuple[str, ...] = ()


def enlarge(images: Tensor) -> list[npt.NDArray[np.uint8]]:
    """Enlarge images by an integer factor, pixel by pixel: L arrays ``(K * H, K * W, 3)`` uint8.

    Args:
        images: Images in [0, 1], ``(L, 3, H, W)``.

    Example:
        >>> import torch
        >>> enlarge(torch.ones(1, 3, 8, 16))[0].shape
        (64, 128, 3)
    """
    factor = max(1, _MIN_SIZE // max(images.shape[-2:]))
    pixels = (images * 255).round().byte().movedim(1, -1)
    return list(pixels.repeat_interleave(factor, 1).repeat_interleave(factor, 2).cpu().numpy())


def draw_sheet(rows: Sequence[Row], columns: Sequence[str], title: Sequence[str]) -> bytes:
    """Draw a sheet as PNG.

    Args:
        rows: One per sample, each with as many images as there are ``columns``, all of one size.
        columns: Heading of each column.
        title: Lines of text at the top; long lines are wrapped.

    Example:
        >>> import torch
        >>> draw_sheet([Row(("a",), torch.zeros(1, 3, 8, 8))], ["image"], ["A title"])[1:4]
        b'PNG'
    """
    images = [enlarge(row.images) for row in rows]
    height, width = images[0][0].shape[:2]
    step = max(width, _CHARACTER_WIDTH * max(map(len, columns))) + _GAP
    left = _GAP + min(300, _CHARACTER_WIDTH * max(len(name) for row in rows for name in row.names) + _GAP)
    page_width = max(left + len(columns) * step, 480)
    title = [piece for line in title for piece in textwrap.wrap(line, (page_width - 2 * _GAP) // _CHARACTER_WIDTH)]
    tops, top = [], _GAP + (len(title) + 2) * _LINE_HEIGHT
    for row in rows:
        tops.append(top)
        top += max(height + len(row.captions) * _LINE_HEIGHT, len(row.names) * _LINE_HEIGHT) + 2 * _GAP
    page = _Page(page_width, top)
    page.lines(title, _GAP, _GAP)
    for column, name in enumerate(columns):
        page.lines([name], left + column * step, tops[0] - _LINE_HEIGHT)
    for row, row_images, y in zip(rows, images, tops, strict=True):
        page.lines([_truncate_left(name, (left - _GAP) // _CHARACTER_WIDTH) for name in row.names], _GAP, y)
        for column, image in enumerate(row_images):
            page.image(image, left + column * step, y)
        length = (page_width - left) // _CHARACTER_WIDTH
        page.lines([textwrap.shorten(text, length, placeholder=" …") for text in row.captions], left, y + height + 2)
    return page.png()


def _truncate_left(name: str, length: int) -> str:
    """Truncate a name from the left: the end of an id is more specific than its beginning."""
    return name if len(name) <= length else "…" + name[1 - length :]


class _Page:
    """A white page with coordinates in pixels from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")

    def lines(self, lines: Sequence[str], x: int, y: int) -> None:
        for number, line in enumerate(lines):
            position = (x / self.width, 1 - (y + number * _LINE_HEIGHT) / self.height)
            # parse_math=False, because matplotlib would parse a dollar sign as the start of a formula
            self.figure.text(
                *position, printable(line), fontsize=_FONT_SIZE, va="top", color="#202020", parse_math=False
            )

    def image(self, pixels: npt.NDArray[np.uint8], x: int, y: int) -> None:
        self.figure.figimage(pixels, x, self.height - y - pixels.shape[0], origin="upper")

    def png(self) -> bytes:
        stream = BytesIO()
        with warnings.catch_warnings():
            # matplotlib draws boxes for scripts of captions that it has no font for
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.figure.savefig(stream, format="png", dpi=_DPI)
        return stream.getvalue()
