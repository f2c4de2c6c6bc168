"""Images in tar files, in the format of WebDataset."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lightning.pytorch.utilities import rank_zero_info

from unlearning_pl.data.sources.file_patterns import find_files
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.labels import Label, is_number, labels_of_texts
from unlearning_pl.data.sources.left_out import shorten_list
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.data.sources.tar_members import Member, list_members
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_names import HEAD_BYTES, is_image, looks_like_image
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize
from unlearning_pl.tables.json_objects import parse_object, plain_column
from unlearning_pl.unicode_names import normalize_name

_ANNOTATIONS = ("cls", "txt", "json")  # files that are read besides images
_MAX_ANNOTATION = 2**24  # bytes


@dataclass
class _Sample:
    """One sample: all files of a shard with the same key."""

    key: str
    shard: Path
    image: Reference | bytes = b""  # a missing image counts as an empty, hence corrupt one
    label: str | None = None
    captions: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


@dataclass
class _Content:
    """What a number of shards hold: samples by key, images that belong to none, and the names of other files."""

    samples: dict[str, _Sample] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


class Shards(Source):
    """Images in tar files of WebDataset, read in place: ``a.jpg`` with ``a.cls``, ``a.txt`` and ``a.json``.

    Loading reads the headers of all shards; an image is read from its offset when it is needed. Access is random, so
    that an image has an id, "train/" or "test/" and its key, and splits work as for other sources. Shards must not be
    compressed.

    ``cls`` contains the number or the name of the class, ``txt`` one caption per line, and ``json`` an object whose
    numbers, texts and booleans become metadata, and whose ``caption`` (a text) or ``captions`` (a list) are captions.
    A note counts other files. WebDataset ends a key at the first dot of a file name, so that ``a.b.jpg`` is no image of
    a sample: such images count as corrupt. Channel statistics are ImageNet's.

    Args:
        train: Training shards: a file, a folder (all ``*.tar`` below it) or a glob, read in sorted order.
        test: Test shards, in the same form.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        classes: File with the name of one class per line, in the order of their numbers; by default numbers are names.
        on_error: ``raise`` an error that names missing and corrupt images and those whose label, caption or JSON cannot
            be used, or ``skip`` them with a warning.
        storage: ``memory`` holds all pixels, ``stream`` decodes batch by batch, ``auto`` decides by their size.

    Raises:
        InputError: If there is no such file, a shard is truncated, or its content cannot be used.

    Example:
        >>> Shards(train="no/train-*.tar", test="no/test.tar").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected *.tar files at train='no/train-*.tar', got none. ...
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        train: str,
        test: str,
        image_size: ImageSize | None = None,
        classes: str | None = None,
        on_error: OnError = "raise",
        storage: Storage = "auto",
    ) -> None:
        self.train, self.test, self.image_size, self.classes = train, test, image_size, classes
        self.on_error, self.storage = on_error, storage

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load all training and test images, in the order of the shards."""
        shards = {
            part: find_files(part, where, "*.tar") for part, where in (("train", self.train), ("test", self.test))
        }
        both = {*map(Path.resolve, shards["train"])} & {*map(Path.resolve, shards["test"])}
        require(
            not both,
            f"Expected test images that are not trained on, got {', '.join(map(str, both))} as both. Give others.",
        )
        classes = _class_names(self.classes) if self.classes else None
        content = {part: _read_shards(files) for part, files in shards.items()}
        texts = [sample.label for held in content.values() for sample in held.samples.values()]
        train, test = (_records(part, held, classes, texts) for part, held in content.items())
        return image_sets(train, test, classes, self.image_size, self.on_error, self.storage)


def _records(part: str, content: _Content, classes: Sequence[str] | None, all_labels: Sequence[str | None]) -> Records:
    samples = list(content.samples.values())
    columns = {
        name: plain_column([sample.metadata.get(name) for sample in samples])
        for name in dict.fromkeys(name for sample in samples for name in sample.metadata)
    }
    return Records(
        encoded=[sample.image for sample in samples],
        names=[f"{sample.shard} {sample.key}" for sample in samples],
        ids=[f"{part}/{sample.key}" for sample in samples],
        labels=_labels(samples, classes, all_labels),
        captions=[sample.captions for sample in samples] if any(sample.captions for sample in samples) else None,
        metadata={name: values for name, values in columns.items() if values is not None},
        faults={row: sample.fault for row, sample in enumerate(samples) if sample.fault},
        unread=content.unread,
    )


def _read_shards(shards: Sequence[Path]) -> _Content:
    content = _Content()
    for shard in shards:
        try:
            with open(shard, "rb") as file:
                _collect(shard, file, content)
        except OSError as error:
            raise InputError(
                f"Expected a tar file that can be read, got {shard} ({error.strerror}). Correct the path or its rights."
            ) from error
    require(
        bool(content.samples),
        f"Expected images in {shards[0]}, got none of NAME.jpg, but {shorten_list(content.unread) or 'other files'}. "
        "Give shards with NAME.jpg and NAME.cls in them.",
    )
    if content.ignored:
        rank_zero_info(f"{len(content.ignored)} files in shards are not read: {shorten_list(content.ignored)}.")
    return content


def _collect(shard: Path, file: BinaryIO, content: _Content) -> None:
    seen: set[tuple[str, str]] = set()
    for member in list_members(shard, file):
        kind = "image" if is_image(f"a.{member.kind}") and "." not in member.kind else member.kind
        if member.system or kind not in ("image", *_ANNOTATIONS):
            _account(member, file, content)
            continue
        sample = content.samples.setdefault(member.key, _Sample(member.key, shard))
        require(
            sample.shard == shard and (member.key, kind) not in seen,
            f"Expected each key once, with one image, got {member.key} again in {shard} (first in {sample.shard}). "
            "Give the samples keys of their own.",
        )
        seen.add((member.key, kind))
        if kind == "image":
            sample.image = Reference(str(shard), member.offset, member.size)
            continue
        try:
            _read_annotation(sample, member, file)
        except ValueError as error:
            sample.fault = sample.fault or f"{member.name} cannot be used: {str(error)[:120]}"


def _account(member: Member, file: BinaryIO, content: _Content) -> None:
    """Name a file that belongs to no sample: with the images left out if it looks like one, else with the ignored."""
    file.seek(member.offset)
    if member.system or not looks_like_image(member.name, file.read(min(HEAD_BYTES, member.size))):
        content.ignored.append(f"{member.shard} {member.name}")
        return
    dotted = "." in member.kind and is_image(member.name)
    reason = f"its key ends at the first dot, {member.key!r}" if dotted else "no suffix of a format that is read"
    content.unread.append(f"{member.shard} {member.name} ({reason})")


def _read_annotation(sample: _Sample, member: Member, file: BinaryIO) -> None:
    """Read an annotation file into its sample; raises ValueError with the reason if it cannot be used."""
    if member.size > _MAX_ANNOTATION:
        raise ValueError(f"it has {member.size} bytes")
    file.seek(member.offset)
    text = file.read(member.size).decode("utf-8-sig")
    if member.kind == "cls":
        sample.label = text.strip()
    elif member.kind == "txt":
        sample.captions = (*(line.strip() for line in text.splitlines() if line.strip()), *sample.captions)
    else:
        _read_json(sample, parse_object(text))


def _read_json(sample: _Sample, content: dict[str, Any]) -> None:
    captions = content.pop("captions", [])
    one = content.pop("caption", None)
    captions = [*(captions if isinstance(captions, list) else [captions]), *([] if one is None else [one])]
    if not all(isinstance(text, str) and text.strip() for text in captions):
        raise ValueError(f"its captions have to be texts and not empty, got {captions}")
    sample.captions = (*sample.captions, *captions)
    sample.metadata = {
        normalize_name(name): normalize_name(value) if isinstance(value, str) else value
        for name, value in content.items()
        if isinstance(value, (str, int, float, bool))
    }


def _labels(
    samples: Sequence[_Sample], classes: Sequence[str] | None, all_labels: Sequence[str | None]
) -> list[Label] | None:
    """Label of each sample; None if no sample has one. A number is a position among ``classes`` without numbers."""
    if classes is None:
        own = [sample.label for sample in samples]
        return labels_of_texts(own, f"{samples[0].shard}", all_labels) if any(own) else None
    texts = [normalize_name(sample.label or "") or None for sample in samples]
    by_position = not any(map(is_number, classes))
    return [labels_of_texts([text], "")[0] if by_position and text and is_number(text) else text for text in texts]


def _class_names(file: str) -> list[str]:
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a file of class names, got {file} ({error}). Correct the path.") from error
    names = [normalize_name(line.strip()) for line in lines if line.strip()]
    require(
        0 < len(names) == len({*names}),
        f"Expected different class names in {file}, one a line, got {len(names)} lines with {len({*names})} names. "
        "Correct the file.",
    )
    return names
