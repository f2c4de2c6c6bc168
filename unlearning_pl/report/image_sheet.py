"""A sheet of pictures that a person looks at: a row a sample, its looks side by side, its words under them.

Pictures keep their pixels: each is enlarged by a whole number, so that those of 8x8 can be seen, and never resampled.
Letters: L looks, K the factor, H height, W width.
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

_DPI, _LINE, _GAP, _SMALL, _CHARACTER = 100, 16, 6, 8.0, 7
"""Pixels an inch, of a line of text, between pictures; points of small text; pixels of its character, a wide one's."""
_SEEN = 128
"""Pixels to which small pictures grow."""


class Row(NamedTuple):
    """One sample of a sheet.

    Args:
        names: Lines beside it: its id, its class.
        looks: Pictures in [0, 1], ``(L, 3, H, W)``.
        captions: Lines under it.
    """

    names: tuple[str, ...]
    looks: Tensor
    captions: tuple[str, ...] = ()


def enlarged(looks: Tensor) -> list[npt.NDArray[np.uint8]]:
    """Pictures whose pixels are squares, of a size at which small ones can be seen: L of ``(K * H, K * W, 3)``.

    Args:
        looks: In [0, 1], ``(L, 3, H, W)``.

    Example:
        >>> import torch
        >>> enlarged(torch.ones(1, 3, 8, 16))[0].shape
        (64, 128, 3)
    """
    factor = max(1, _SEEN // max(looks.shape[-2:]))
    pixels = (looks * 255).round().byte().movedim(1, -1)
    return list(pixels.repeat_interleave(factor, 1).repeat_interleave(factor, 2).cpu().numpy())


def sheet(rows: Sequence[Row], columns: Sequence[str], title: Sequence[str]) -> bytes:
    """Draw a sheet as PNG.

    Args:
        rows: One a sample, with as many looks each as there are ``columns``, all of one size.
        columns: What stands above each column.
        title: Lines above all; long ones are broken.

    Example:
        >>> import torch
        >>> sheet([Row(("a",), torch.zeros(1, 3, 8, 8))], ["image"], ["A title"])[1:4]
        b'PNG'
    """
    pictures = [enlarged(row.looks) for row in rows]
    height, width = pictures[0][0].shape[:2]
    step = max(width, _CHARACTER * max(map(len, columns))) + _GAP
    left = _GAP + min(300, _CHARACTER * max(len(name) for row in rows for name in row.names) + _GAP)
    wide = max(left + len(columns) * step, 480)
    title = [piece for line in title for piece in textwrap.wrap(line, (wide - 2 * _GAP) // _CHARACTER)]
    tops, top = [], _GAP + (len(title) + 2) * _LINE
    for row in rows:
        tops.append(top)
        top += max(height + len(row.captions) * _LINE, len(row.names) * _LINE) + 2 * _GAP
    page = _Page(wide, top)
    page.lines(title, _GAP, _GAP)
    for column, name in enumerate(columns):
        page.lines([name], left + column * step, tops[0] - _LINE)
    for row, looks, y in zip(rows, pictures, tops, strict=True):
        page.lines([_end(name, (left - _GAP) // _CHARACTER) for name in row.names], _GAP, y)
        for column, picture in enumerate(looks):
            page.picture(picture, left + column * step, y)
        room = (wide - left) // _CHARACTER
        page.lines([textwrap.shorten(text, room, placeholder=" …") for text in row.captions], left, y + height + 2)
    return page.png()


def _end(name: str, room: int) -> str:
    """A name that fits; the end of an id tells more than its beginning."""
    return name if len(name) <= room else "…" + name[1 - room :]


class _Page:
    """A white page on which places are pixels from the left and from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")

    def lines(self, lines: Sequence[str], x: int, y: int) -> None:
        for number, line in enumerate(lines):
            place = (x / self.width, 1 - (y + number * _LINE) / self.height)
            # A dollar sign would begin mathematics
            self.figure.text(*place, line, fontsize=_SMALL, va="top", color="#202020", parse_math=False)

    def picture(self, pixels: npt.NDArray[np.uint8], x: int, y: int) -> None:
        self.figure.figimage(pixels, x, self.height - y - pixels.shape[0], origin="upper")

    def png(self) -> bytes:
        stream = BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a caption's script: boxes are drawn
            self.figure.savefig(stream, format="png", dpi=_DPI)
        return stream.getvalue()
