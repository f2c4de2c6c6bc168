"""Every file of a shard is an image, an annotation, or counted; nothing of it is lost."""

import io
import tarfile
from pathlib import Path

import pytest
from image_files import encoded, pixels

from unlearning_pl.data import Shards
from unlearning_pl.errors import InputError

PNG = encoded(pixels())
Files = dict[str, bytes]


def raw(place: Path, files: Files) -> str:
    """A tar of files whose names no writer of samples checks."""
    with tarfile.open(place, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return str(place)


def labelled(*keys: str) -> Files:
    return {f"{key}.{kind}": data for key in keys for kind, data in (("png", PNG), ("cls", b"0"))}


@pytest.fixture
def test_shard(tmp_path: Path) -> str:
    return raw(tmp_path / "test.tar", labelled("t0", "t1"))


def test_names_with_dots_are_counted_and_named_or_skipped(tmp_path: Path, test_shard: str) -> None:
    train = raw(tmp_path / "a.tar", labelled("a", "b", "cat.2", "IMG_2024.05.01"))
    message = r"2 of 6 that cannot: .*a\.tar cat\.2\.png \(its key ends at the first dot, 'cat'\)"
    with pytest.raises(InputError, match=message):
        Shards(train, test_shard).load()
    with pytest.warns(UserWarning, match=r"2 of 6 images cannot be used and are left out: .*IMG_2024\.05\.01\.png"):
        found, _ = Shards(train, test_shard, on_error="skip").load()
    assert found.ids == ["train/a", "train/b"]


@pytest.mark.parametrize("name", ["a.heic", "a.jpg_large", "a", "a.dds", "a.pdf"])
def test_images_of_other_kinds_are_counted_and_named(name: str, tmp_path: Path, test_shard: str) -> None:
    train = raw(tmp_path / "a.tar", {**labelled("b"), name: b"unknown" if name in ("a.dds", "a.pdf") else PNG})
    message = rf"1 of 4 that cannot: .*a\.tar {name} \(no suffix of a format that is read\)"
    with pytest.raises(InputError, match=message):
        Shards(train, test_shard).load()


def test_other_files_are_noted(tmp_path: Path, test_shard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.data.sources.shards.rank_zero_info", notes.append)
    others = {"b.npy": b"x", "__MACOSX/._b.png": b"x", "d/@eaDir/c.png": PNG}
    train, _ = Shards(raw(tmp_path / "a.tar", {**labelled("b"), **others}), test_shard).load()
    assert train.ids == ["train/b"]
    (note,) = notes
    assert note.startswith("3 files in shards are not read: ")
    assert all(name in note for name in others)


def test_a_tar_that_goes_on_after_its_end_is_refused(tmp_path: Path, test_shard: str) -> None:
    parts = [Path(raw(tmp_path / f"{key}.tar", labelled(key))) for key in "ab"]
    (tmp_path / "both.tar").write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match=r"nothing after the end .*, got .*both\.tar, which goes on after 2 files"):
        Shards(str(tmp_path / "both.tar"), test_shard).load()


def test_a_pipe_or_a_sparse_file_is_refused(tmp_path: Path, test_shard: str) -> None:
    place = raw(tmp_path / "a.tar", labelled("a"))
    with tarfile.open(place, "a") as archive:
        pipe = tarfile.TarInfo("b.png")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    with pytest.raises(InputError, match=r"got b\.png, which is a sparse file or a device"):
        Shards(place, test_shard).load()


ANNOTATIONS = {
    "deep JSON": ("json", b"[" * 100_000, "it is nested too deeply"),
    "5 000 digits in JSON": ("json", b'{"owner": ' + b"9" * 5000 + b"}", "4300 digits"),
    "a key twice": ("json", b'{"caption": "x", "caption": "y"}', "it has a key twice"),
    "no UTF-8": ("cls", b"\xff", "'utf-8' codec"),
    "5 000 digits": ("cls", b"9" * 5000, "its label is too large a number"),
    "no label": ("cls", b" \n", "its label is missing"),
    "too long": ("json", b" " * (2**24 + 1), "it has 16777217 bytes"),
}


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_an_annotation_that_cannot_be_used_leaves_its_image_out(case: str, tmp_path: Path, test_shard: str) -> None:
    kind, data, message = ANNOTATIONS[case]
    train = raw(tmp_path / "a.tar", {**labelled("a", "b"), f"b.{kind}": data})
    with pytest.raises(InputError, match=rf"1 of 4 that cannot: .*a\.tar b \(.*{message}.*on_error: skip") as caught:
        Shards(train, test_shard).load()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    with pytest.warns(UserWarning, match="1 of 4 images cannot be used"):
        found, _ = Shards(train, test_shard, on_error="skip").load()
    assert found.ids == ["train/a"]


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (["1", "2", "3"], ["1", "3"], [0, 2]),  # names that are numbers are names
        (["cat", "dog", "eel"], ["2", "cat"], [2, 0]),
    ],
)
def test_classes_of_a_file_are_positions_only_if_no_name_is_a_number(
    names: list[str], labels: list[str], expected: list[int], tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("\n".join(names))
    files = labelled("0", "1") | {f"{row}.cls": label.encode() for row, label in enumerate(labels)}
    shards = [raw(tmp_path / f"{part}.tar", files) for part in "ab"]
    train, _ = Shards(*shards, classes=str(tmp_path / "names.txt")).load()
    assert train.targets.tolist() == expected
    (tmp_path / "names.txt").write_text("\n".join([*names, names[0]]))
    with pytest.raises(InputError, match="different class names"):
        Shards(*shards, classes=str(tmp_path / "names.txt")).load()


def test_a_header_of_more_bytes_than_there_is_memory_is_refused(tmp_path: Path, test_shard: str) -> None:
    header = tarfile.TarInfo("p")
    header.type, header.size = b"x", 2**62
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(InputError, match=r"got .*a\.tar, which cannot be read"):
        Shards(str(tmp_path / "a.tar"), test_shard).load()
