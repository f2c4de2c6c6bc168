"""A sheet is looked at by a person; that each picture lies there, pixel for pixel, is looked at here."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from unlearning_pl.report.image_sheet import Row, draw_sheet, enlarge


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def holds(page: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    """Where the picture lies on the page, as (top, left)."""
    height, width = picture.shape[:2]
    corners = np.argwhere((page == picture[0, 0]).all(axis=-1))
    return [
        (int(y), int(x))
        for y, x in corners
        if page[y : y + height, x : x + width].shape == picture.shape
        and (page[y : y + height, x : x + width] == picture).all()
    ]


def rows(size: tuple[int, int] = (8, 8), looks: int = 3, count: int = 2, **options: tuple[str, ...]) -> list[Row]:
    # Random colours, dark enough to be neither paper nor text's edge
    return [Row((f"row {number}",), 0.1 + 0.6 * torch.rand(looks, 3, *size), **options) for number in range(count)]


@pytest.mark.parametrize(("size", "factor"), [((8, 8), 16), ((16, 32), 4), ((96, 96), 1), ((200, 130), 1)])
def test_pixels_become_squares(size: tuple[int, int], factor: int) -> None:
    looks = torch.rand(2, 3, *size)
    for look, made in zip(looks, enlarge(looks), strict=True):
        expected = np.kron(np.round(look.permute(1, 2, 0).numpy() * 255), np.ones((factor, factor, 1)))
        assert made.dtype == np.uint8
        assert np.array_equal(made, expected)


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (150, 140)])
def test_every_picture_lies_in_its_row_and_column(size: tuple[int, int]) -> None:
    drawn = rows(size, captions=("a caption",))
    page = pixels(draw_sheet(drawn, ["image", "view 1", "view 2"], ["a title"]))
    places = [[holds(page, picture) for picture in enlarge(row.images)] for row in drawn]
    assert all(len(place) == 1 for line in places for place in line)
    tops, lefts = np.array(places)[:, :, 0].transpose(2, 0, 1)
    assert (tops == tops[:, :1]).all()
    assert (lefts == lefts[:1]).all()
    height, width = enlarge(drawn[0].images)[0].shape[:2]
    assert (np.diff(tops, axis=0) > height).all()
    assert (np.diff(lefts, axis=1) > width).all()


def test_text_is_beside_above_and_under_and_covers_no_picture() -> None:
    def inked(page: np.ndarray) -> np.ndarray:
        return (page.min(axis=2) < 200).sum(axis=1)

    drawn = rows(count=1)
    columns, title = ["image", "view 1", "view 2"], ["a title"]
    plain, worded = (
        pixels(draw_sheet(some, columns, title)) for some in (drawn, [drawn[0]._replace(captions=("one", "two"))])
    )
    assert worded.shape[0] > plain.shape[0]  # lines of their own
    assert inked(worded)[plain.shape[0] - 10 :].sum() > 0
    assert inked(plain)[:20].sum() > 0  # the title
    longer = draw_sheet(drawn, columns, ["a long title " * 40])
    assert pixels(longer).shape[0] > plain.shape[0]
    assert all(len(holds(pixels(longer), picture)) == 1 for picture in enlarge(drawn[0].images))


def test_text_of_every_kind_is_drawn_without_a_warning() -> None:
    words = ("$5 and $6^2$ {x}", "日本 \N{ROCKET}", "word " * 300, "x" * 2000, "")
    page = pixels(
        draw_sheet([Row(("id/" + "y" * 300, "$"), torch.zeros(1, 3, 8, 8), words)], ["image"], ["$a$ " * 100])
    )
    assert page.shape[1] <= 480 + 300  # long names and captions are cut


def test_of_a_long_name_the_end_is_shown() -> None:
    def named(name: str) -> bytes:
        return draw_sheet([Row((name,), torch.zeros(1, 3, 8, 8))], ["image"], ["t"])

    assert named("a" + "x" * 100) == named("b" + "x" * 100)
    assert named("x" * 100 + "a") != named("x" * 100 + "b")


def test_the_same_sheet_is_the_same_file() -> None:
    drawn = rows()
    assert draw_sheet(drawn, ["image", "view 1", "view 2"], ["t"]) == draw_sheet(
        drawn, ["image", "view 1", "view 2"], ["t"]
    )
