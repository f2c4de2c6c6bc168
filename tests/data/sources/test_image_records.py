"""What the sources have in common: from records of encoded images to image sets."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.errors import InputError
from unlearning_pl.images import decoding
from unlearning_pl.images.decoding import Reference
from unlearning_pl.images.encoded_images import EncodedImages


def png(seed: int, size: int = 6) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def records(part: str, encoded: list[Any], **known: Any) -> Records:
    names = [f"{part}.table row {row}" for row in range(len(encoded))]
    return Records(encoded, names, [f"{part}/{row}" for row in range(len(encoded))], **known)


@pytest.mark.filterwarnings("ignore:1 of 6 images are corrupt and left out")
@pytest.mark.parametrize("corrupt", [False, True])
def test_streamed_images_are_those_that_are_held(
    corrupt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "3.png").write_bytes(png(3))
    train = [png(0), b"" if corrupt else png(1), png(2, 9), Reference(str(tmp_path / "3.png"))]
    given = (
        records("train", train, labels=[0, 1, 1, 0], captions=[("a",), ("b",), ("c",), ("d", "e")]),
        records("test", [png(4), png(5)], labels=[1, 0], captions=[("f",), ("g",)], metadata={"owner": [7, 8]}),
    )
    held = image_sets(*given, ["cat", "dog"], image_size=4, on_error="skip")
    monkeypatch.setattr(decoding, "total_memory", lambda: 1)
    streamed = image_sets(*given, ["cat", "dog"], image_size=4, on_error="skip")
    for one, other in zip(held, streamed, strict=True):
        assert isinstance(one.images, torch.Tensor)
        assert isinstance(other.images, EncodedImages)
        assert torch.equal(one.images, other.images.read(torch.arange(len(one))))
        assert (one.ids, one.captions, one.metadata) == (other.ids, other.captions, other.metadata)
        assert torch.equal(one.targets, other.targets)
    assert held[0].captions == [("a",), *([] if corrupt else [("b",)]), ("c",), ("d", "e")]
    assert held[1].metadata == {"owner": [7, 8]}


def test_both_parts_lie_in_one_memory() -> None:
    train, test = image_sets(records("train", [png(0), png(1)]), records("test", [png(2)]))
    assert test.images.data_ptr() == train.images.data_ptr() + train.images.nbytes


@pytest.mark.parametrize(
    ("train", "test", "names", "message"),
    [
        ([0, 2], [1], ["x", "y"], r"train.table row 1 \(label 2 is not from 0 to 1\)"),
        ([0, 1], [-1], ["x", "y"], r"test.table row 0 \(its label is negative\)"),
        ([0, None], [0], None, r"train.table row 1 \(its label is missing\)"),
        ([0, 1], [2], None, r"test.table row 0 \(label 2 is not from 0 to 1\)"),
        ([0, 9], [1], None, "labels below the number of images, 2, got 9 in train.table row 1"),
        (["a", None], ["b"], None, r"train.table row 1 \(its label is missing\)"),
        (["a", ""], ["b"], None, r"train.table row 1 \(its label is missing\)"),
        ([2**63, 0], [0], None, r"train.table row 0 \(its label is too large a number\)"),
        (["a", "b"], [1], None, "name of a class, got 1 in test.table row 0"),
        (
            [0, 1],
            None,
            None,
            "of all images or of none, got some at train.table row 0 and none at test.table row 0",
        ),
    ],
)
def test_labels_that_name_no_class_are_refused(train: Any, test: Any, names: Any, message: str) -> None:
    first, second = records("train", [png(0), png(1)], labels=train), records("test", [png(2)], labels=test)
    with pytest.raises(InputError, match=message):
        image_sets(first, second, names)
