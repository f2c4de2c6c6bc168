import re
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.data import ImageSet
from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.data.splits.match_ids import IdMatcher, match_ids
from unlearning_pl.data.splits.request_rows import rows_of_ids
from unlearning_pl.errors import InputError
from unlearning_pl.unicode_names import normalize_path

CAFE = unicodedata.normalize("NFC", "\u00e9")
IDS = ["train/cat/0.png", "train/cat/1.JPG", "train/dog/0.png", "train/v1.2", f"train/{CAFE}/7.png", "360"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train/cat/0.png", "train/cat/0.png"),
        ("cat/0.png", "train/cat/0.png"),
        ("train/dog/0", "train/dog/0.png"),
        ("1.jpg", "train/cat/1.JPG"),
        ("1.png", "train/cat/1.JPG"),
        ("1", "train/cat/1.JPG"),
        (" .\\cat\\1.JPG", "train/cat/1.JPG"),
        (unicodedata.normalize("NFD", CAFE) + "/7.png", f"train/{CAFE}/7.png"),
        ("v1.2", "train/v1.2"),
        ("/mnt/photos/train/cat/0.png", "train/cat/0.png"),
        ("photos/test/cat/0.png", "photos/test/cat/0.png"),
        ("some/360", "some/360"),
        ("v1", "v1"),
        ("360.png", "360.png"),
        ("v1.2.jpg", "v1.2.jpg"),
        ("at/0.png", "at/0.png"),
        ("", ""),
        (".png", ".png"),
        ("test/dog/0.png", "test/dog/0.png"),
    ],
)
def test_a_name_that_means_one_image_is_its_id(name: str, expected: str) -> None:
    assert match_ids([name], "forget.ids", IDS) == [expected]


@pytest.mark.parametrize("name", ["0.png", "0", "0.JPG"])
def test_a_name_that_may_be_several_is_refused(name: str) -> None:
    message = f"forget.ids, got {name!r}, which may be train/cat/0.png or train/dog/0.png. Write the whole id."
    with pytest.raises(InputError, match=re.escape(message)):
        match_ids([name], "forget.ids", IDS)


def test_a_note_says_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.data.splits.match_ids.rank_zero_info", notes.append)
    match_ids(["360", "train/v1.2"], "forget.ids", IDS)
    assert notes == []
    match_ids(["360", "1.png"], "forget.ids", IDS)
    assert notes == ["1 names in forget.ids are read as the only ids that they can mean: 1.png as train/cat/1.JPG."]


def test_a_test_image_and_a_repeated_one_are_still_told() -> None:
    train = ImageSet(
        torch.zeros(2, 3, 1, 1, dtype=torch.uint8), torch.tensor([0, 0]), ["train/a.png", "train/b.png"], ["x"]
    )
    assert rows_of_ids(["b", "a.png"], "f", train, torch.arange(2)).tolist() == [1, 0]
    with pytest.raises(InputError, match=r"'train/a.png', twice"):
        rows_of_ids(["a.png", "train/a.png"], "f", train, torch.arange(2))
    with pytest.raises(InputError, match="which is a test image"):
        rows_of_ids(["a.png"], "f", train, torch.arange(2), test_ids={"a.png"})


def test_a_header_that_may_be_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("rex\nmax\n")
    with pytest.raises(InputError, match=r"'rex' in the first row may be a header or train/dog/rex\.png"):
        read_ids(tmp_path / "ids.csv", ["train/dog/rex.png", "train/dog/max.png"])
    assert read_ids(tmp_path / "ids.csv", ["train/dog/max.png"]) == ["max"]


def test_a_line_of_a_list_ends_at_a_line_end_alone(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes("a\u2028b.png\r\nc\x85.png\n".encode())
    assert read_ids(tmp_path / "ids.txt") == ["a\u2028b.png", "c\x85.png"]


@pytest.mark.parametrize(("name", "other"), [("a\\", "a\\.png"), ("a ", "a .png"), ("b/a\\", "b/a\\.png")])
def test_a_bare_name_that_loses_its_end_means_both(name: str, other: str) -> None:
    plain = other.replace("\\", "").replace(" ", "")
    assert sorted(IdMatcher([other, plain]).find(name)) == sorted([other, plain])


PARTS = (
    st.text(st.sampled_from("ab.\u00e9e\u0301 \\"), min_size=1, max_size=3)
    .map(str.strip)  # spaces around a name are no part of it
    .filter(lambda part: part.strip(". \\") and part[0] != "\\")  # a backslash in front makes it absolute
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".png")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ids=st.lists(NAMES, min_size=1, max_size=8, unique=True), cut=st.integers(0, 2), bare=st.booleans())
def test_a_part_of_an_id_never_means_another_image(ids: list[str], cut: int, bare: bool) -> None:
    parts = ids[0].split("/")
    name = "/".join(parts[min(cut, len(parts) - 1) :])
    found = IdMatcher(ids).find(name.removesuffix(".png") if bare else name)
    whole = [one for one in ids if normalize_path(one) == normalize_path(name)]  # however its letters are composed
    assert ids[0] in found or {*found} <= {*whole}
