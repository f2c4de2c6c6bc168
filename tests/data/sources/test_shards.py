import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset
from image_files import encoded, pixels, truncated

from unlearning_pl.data import Shards
from unlearning_pl.errors import InputError
from unlearning_pl.images.encoded_images import EncodedImages

Entry = dict[str, Any]


def shard(place: Path, *entries: Entry) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(place)) as writer:
        for entry in entries:
            writer.write(entry)
    return place


def sample(key: str, seed: int, kind: str = "jpg", **more: Any) -> Entry:
    formats = {"jpg": "jpeg", "png": "png", "webp": "webp"}
    return {"__key__": key, kind: encoded(pixels(seed=seed), formats[kind]), **more}


@pytest.fixture
def test_shard(tmp_path: Path) -> str:
    return str(shard(tmp_path / "test.tar", sample("t0", 20, cls=0), sample("t1", 21, cls=1)))


def labelled(tmp_path: Path) -> str:
    for number in range(2):
        rows = range(3 * number, 3 * number + 3)
        kinds = ("jpg", "png", "webp")
        shard(
            tmp_path / "train" / f"{number:05}.tar",
            *(sample(f"s{row}", row, kinds[row % 3], cls=row % 2) for row in rows),
        )
    return str(tmp_path / "train")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset's reader closes no file
@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("where", ["", "/*.tar", "/0000[01].tar"])
def test_it_reads_what_webdataset_wrote(storage: Any, where: str, tmp_path: Path, test_shard: str) -> None:
    train, test = Shards(labelled(tmp_path) + where, test_shard, 8, storage=storage).load()
    files = [str(tmp_path / "train" / f"0000{number}.tar") for number in range(2)]
    expected = list(webdataset.WebDataset(files, shardshuffle=False).decode("rgb8"))
    images = train.images.read(torch.arange(6)) if isinstance(train.images, EncodedImages) else train.images
    assert isinstance(train.images, EncodedImages) == (storage == "stream")
    for row, theirs in enumerate(expected):
        (pixel_kind,) = {"jpg", "png", "webp"} & {*theirs}
        np.testing.assert_array_equal(images[row].numpy(), theirs[pixel_kind].transpose(2, 0, 1))
        assert train.ids[row] == f"train/{theirs['__key__']}"
        assert train.targets[row] == theirs["cls"]
    assert train.class_names == test.class_names == ["0", "1"]
    assert test.ids == ["test/t0", "test/t1"]
    assert train.captions is None


def test_captions_and_metadata(tmp_path: Path) -> None:
    train = shard(
        tmp_path / "train.tar",
        sample("a/1", 1, txt="a cat\n\n on a mat \n", json={"owner": 17, "caption": "third", "nested": [1]}),
        sample("b", 2, json={"captions": ["one", "two"], "share": 0.5}),
    )
    test = shard(tmp_path / "test.tar", sample("c", 3, txt="seen"))
    found, unseen = Shards(str(train), str(test)).load()
    assert found.captions == [("a cat", "on a mat", "third"), ("one", "two")]
    assert unseen.captions == [("seen",)]
    assert found.metadata == {"owner": [17, None], "share": [None, 0.5]}
    assert found.ids == ["train/a/1", "train/b"]
    assert found.class_names == []
    assert found.targets.tolist() == [0, 0]


def test_class_names_from_a_file(tmp_path: Path, test_shard: str) -> None:
    names = tmp_path / "classes.txt"
    names.write_text("tabby cat\ndog\nemu\n")
    mixed = shard(tmp_path / "n.tar", sample("a", 1, cls="2"), sample("b", 2, cls=0))
    train, test = Shards(str(mixed), test_shard, classes=str(names)).load()
    assert train.class_names == test.class_names == ["tabby cat", "dog", "emu"]
    assert train.targets.tolist() == [2, 0]


def test_classes_by_name(tmp_path: Path) -> None:
    def of(place: str, *names: str) -> str:
        entries = ({"__key__": name, "png": encoded(pixels()), "cls": name.encode()} for name in names)
        return str(shard(tmp_path / place, *entries))

    train, test = Shards(of("a.tar", "dog", "cat"), of("b.tar", "dog")).load()
    assert (train.class_names, train.targets.tolist(), test.targets.tolist()) == (["cat", "dog"], [1, 0], [1])


def with_harm(place: Path, harm: str) -> Path:
    data = place.read_bytes()
    with tarfile.open(place) as archive:
        second = archive.getmembers()[1].offset
        third = archive.getmembers()[2].offset
    harmed = {
        "cut in an image": data[: third + 600],
        "cut between files": data[:third],
        "cut in a header": data[: second + 100],
        "damaged header": data[:second] + b"\xff" * 512 + data[second + 512 :],
        "no tar": b"text" * 1000,
        "empty": b"",
    }
    place.write_bytes(harmed[harm])
    return place


@pytest.mark.parametrize(
    "harm", ["cut in an image", "cut between files", "cut in a header", "damaged header", "no tar", "empty"]
)
def test_a_shard_that_breaks_off_is_refused(harm: str, tmp_path: Path, test_shard: str) -> None:
    place = shard(tmp_path / "a.tar", sample("a", 0, cls=0), sample("b", 1, cls=1))
    with_harm(place, harm)
    with pytest.raises(InputError, match=r"Expected .* tar file, got .*a\.tar, which .*(breaks off|cannot be read)"):
        Shards(str(place), test_shard).load()


def test_a_compressed_shard_is_refused(tmp_path: Path, test_shard: str) -> None:
    place = tmp_path / "a.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"), io.BytesIO())
    with pytest.raises(InputError, match="Expected an uncompressed tar file"):
        Shards(str(place), test_shard).load()


WRONG: dict[str, tuple[list[list[Entry]], str]] = {
    "key twice in a shard": ([[sample("a", 0, cls=0), sample("a", 1, cls=0)]], "Expected each key once"),
    "key twice in two": (
        [[sample("a", 0, cls=0)], [sample("a", 1, cls=0)]],
        r"got a again in .*1.tar \(first in .*0\.",
    ),
    "two images": ([[{**sample("a", 0), "png": encoded(pixels())}]], "Expected each key once, with one image"),
    "label missing": (
        [[sample("a", 0, cls=0), sample("b", 0)]],
        r"2 of 4 that cannot: .* b \(its label is missing\)",
    ),
    "label too high": ([[sample("a", 0, cls=99)]], "got 99 in"),
    "no image": ([[{"__key__": "a", "cls": 0}, sample("b", 1, cls=1)]], r"1 of 4 .*tar a \(it is empty\)"),
    "no images at all": ([[{"__key__": "a", "npy": b"1"}]], r"Expected images in .*0\.tar, got none"),
    "bad JSON": (
        [[{**sample("a", 0, cls=0), "json": b"{"}]],
        r"tar a \(a\.json cannot be used: Expecting",
    ),
    "list in JSON": (
        [[sample("a", 0, cls=0, json=[1])]],
        r"a\.json cannot be used: it is no object",
    ),
    "numbers as captions": ([[sample("a", 0, cls=0, json={"caption": 3})]], "captions have to be texts"),
    "empty caption": (
        [[sample("a", 0, cls=0, json={"captions": ["x", " "]})]],
        r"a\.json cannot be used: .*not empty, got \['x', ' '\]",
    ),
    "not UTF-8": ([[{**sample("a", 0, cls=0), "txt": b"\xff"}]], r"a\.txt cannot be used: 'utf-8' codec"),
    "truncated": ([[{"__key__": "a", "jpg": truncated(), "cls": 0}, sample("b", 1, cls=1)]], r"tar a \(.*truncated"),
    "captions in one part": ([[sample("a", 0, cls=0, txt="x")]], "Expected captions of all images or of none"),
}


def test_a_missing_caption_is_told_with_its_image(tmp_path: Path) -> None:
    for part in ("train", "test"):
        shard(tmp_path / f"{part}.tar", sample("a", 0, cls=0, txt="x"), sample("b", 0, cls=1, txt="y"))
    shard(tmp_path / "train.tar", sample("a", 0, cls=0, txt="x"), sample("b", 0, cls=1))
    with pytest.raises(InputError, match=r"tar b \(it has no caption\)"):
        Shards(str(tmp_path / "train.tar"), str(tmp_path / "test.tar")).load()


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_told_in_one_line(case: str, tmp_path: Path, test_shard: str) -> None:
    shards, message = WRONG[case]
    for number, entries in enumerate(shards):
        shard(tmp_path / "train" / f"{number}.tar", *entries)
    with pytest.raises(InputError, match=message) as caught:
        Shards(str(tmp_path / "train"), test_shard).load()
    assert "\n" not in str(caught.value)


def test_an_absent_image_may_be_skipped(tmp_path: Path, test_shard: str) -> None:
    place = shard(tmp_path / "a.tar", {"__key__": "a", "cls": 1}, sample("b", 1, cls=1), sample("c", 1, cls=0))
    with pytest.warns(UserWarning, match=r"1 of 5 images are corrupt and left out: .*a\.tar a \(it is empty\)"):
        train, _ = Shards(str(place), test_shard, 8, on_error="skip").load()
    assert train.ids == ["train/b", "train/c"]
    assert train.targets.tolist() == [1, 0]


def test_a_shard_for_both_parts_is_refused(test_shard: str) -> None:
    with pytest.raises(InputError, match="Expected test images that are not trained on"):
        Shards(test_shard, test_shard).load()


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_a_link_is_told_and_not_left_out(kind: bytes, tmp_path: Path, test_shard: str) -> None:
    place = shard(tmp_path / "a.tar", sample("a", 0, cls=0))
    with tarfile.open(place, "a") as archive:
        link = tarfile.TarInfo("b.jpg")
        link.type, link.linkname = kind, "a.jpg"
        archive.addfile(link)
    with pytest.raises(InputError, match=r"a\.tar, got b\.jpg, which is a link to one\. Write it again with tar --de"):
        Shards(str(place), test_shard).load()


def test_long_names_and_folders_in_a_tar(tmp_path: Path, test_shard: str) -> None:
    place = tmp_path / "long.tar"
    deep, long = "." + "/deep" * 60 + "/a.b.png", "./x" * 50 + ".png"
    data = {deep: b"none of an image's names", long: encoded(pixels()), "./y.JPG": encoded(pixels(), "jpeg")}
    with tarfile.open(place, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("folder.png/"))
        for name, content in data.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    unlabelled = shard(tmp_path / "test2.tar", sample("t", 0))
    with pytest.raises(InputError, match=r"1 of 4 that cannot: .*a\.b\.png \(its key ends at the first dot"):
        Shards(str(place), str(unlabelled)).load()
    with pytest.warns(UserWarning, match="1 of 4 images cannot be used and are left out"):
        train, _ = Shards(str(place), str(unlabelled), on_error="skip").load()
    assert [len(name) for name in train.ids] == [len("train/") + 148, len("train/y")]


def test_json_that_no_label_needs_is_small(tmp_path: Path) -> None:
    entries = [sample(f"{row}", row, json={"row": row, "text": "x", "none": None, "yes": True}) for row in range(3)]
    first, second = shard(tmp_path / "a.tar", *entries), shard(tmp_path / "b.tar", sample("t", 0))
    train, _ = Shards(str(first), str(second)).load()
    assert json.loads(json.dumps(train.metadata)) == {"row": [0, 1, 2], "text": ["x"] * 3, "yes": [True] * 3}
