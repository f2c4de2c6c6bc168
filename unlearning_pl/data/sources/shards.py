"""Images in tar files, in the format of WebDataset."""

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from unlearning_pl.data.sources.file_patterns import find_files
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decode_image import image_suffixes
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_set import ImageSet

_ANNOTATIONS = ("cls", "txt", "json")  # files that are read besides images
_END_BLOCK = bytes(tarfile.BLOCKSIZE)  # of zeros: a tar ends with it


@dataclass
class _Sample:
    """One sample: all files of a shard with the same key."""

    key: str
    shard: Path
    image: Reference | bytes = b""  # a missing image counts as an empty, hence corrupt one
    label: str | None = None
    captions: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


class _Member(NamedTuple):
    key: str
    kind: str  # "jpg"
    shard: Path
    offset: int
    size: int


class Shards(Source):
    """Images in tar files of WebDataset, read in place: ``a.jpg`` with ``a.cls``, ``a.txt`` and ``a.json``.

    Loading reads the headers of all shards; an image is read from its offset when it is needed. Access is random, so
    that an image has an id, "train/" or "test/" and its key, and splits work as for other sources. Shards must not be
    compressed.

    ``cls`` contains the number or the name of the class, ``txt`` one caption per line, and ``json`` an object whose
    numbers, texts and booleans become metadata, and whose ``caption`` (a text) or ``captions`` (a list) are captions.
    Other files are ignored. Channel statistics are ImageNet's.

    Args:
        train: Training shards: a file, a folder (all ``*.tar`` below it) or a glob, read in sorted order.
        test: Test shards, in the same form.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        classes: File with the name of one class per line, in the order of their numbers; by default numbers are names.
        on_error: ``raise`` an error that names missing and corrupt images, or ``skip`` them with a warning.
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
        image_size: int | None = None,
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
        train, test = (_records(part, [*_samples(files).values()], classes) for part, files in shards.items())
        return image_sets(train, test, classes, self.image_size, self.on_error, self.storage)


def _records(part: str, samples: Sequence[_Sample], classes: Sequence[str] | None) -> Records:
    names = [f"{sample.shard} {sample.key}" for sample in samples]
    columns = dict.fromkeys(name for sample in samples for name in sample.metadata)
    return Records(
        encoded=[sample.image for sample in samples],
        names=names,
        ids=[f"{part}/{sample.key}" for sample in samples],
        labels=_labels(samples, names, classes),
        captions=[sample.captions for sample in samples] if any(sample.captions for sample in samples) else None,
        metadata={name: [sample.metadata.get(name) for sample in samples] for name in columns},
    )


def _samples(shards: Sequence[Path]) -> dict[str, _Sample]:
    """Samples of all shards by key."""
    samples: dict[str, _Sample] = {}
    for shard in shards:
        try:
            with open(shard, "rb") as file:
                _collect(shard, file, samples)
        except OSError as error:
            raise InputError(
                f"Expected a tar file that can be read, got {shard} ({error.strerror}). Correct the path or its rights."
            ) from error
    require(bool(samples), f"Expected images in {shards[0]}, got none. Give shards with NAME.jpg and NAME.cls in them.")
    return samples


def _collect(shard: Path, file: BinaryIO, samples: dict[str, _Sample]) -> None:
    seen: set[tuple[str, str]] = set()
    for member in _members(shard, file):
        kind = "image" if f".{member.kind}" in image_suffixes() else member.kind
        if kind != "image" and kind not in _ANNOTATIONS:
            continue
        sample = samples.setdefault(member.key, _Sample(member.key, shard))
        require(
            sample.shard == shard and (member.key, kind) not in seen,
            f"Expected each key once, with one image, got {member.key} again in {shard} (first in {sample.shard}). "
            "Give the samples keys of their own.",
        )
        seen.add((member.key, kind))
        if kind == "image":
            sample.image = Reference(str(shard), member.offset, member.size)
        else:
            _read_annotation(sample, member, file)


def _members(shard: Path, file: BinaryIO) -> list[_Member]:
    """List every file of a shard; only the headers are read."""
    members: list[_Member] = []
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                vars(archive)["members"] = []  # the archive would keep all members in memory
                members += _member(shard, member)
            file.seek(archive.offset)
            # A damaged header ends tarfile's iteration as silently as the end of the archive does.
            whole = file.read(len(_END_BLOCK)) == _END_BLOCK
    except tarfile.TarError as error:
        raise InputError(
            f"Expected an uncompressed tar file, got {shard}, which cannot be read ({error}). Write or copy it again."
        ) from error
    require(
        whole,
        f"Expected a whole tar file, got {shard}, which breaks off after {len(members)} files. Write or copy it again.",
    )
    return members


def _member(shard: Path, member: tarfile.TarInfo) -> list[_Member]:
    """One file of a shard, or none if the member is a folder or a hidden file."""
    require(
        not (member.issym() or member.islnk()),
        f"Expected files in {shard}, got {member.name}, which is a link to one. "
        "Write it again with tar --dereference --hard-dereference.",
    )
    folder, slash, name = member.name.rpartition("/")
    key, _, kind = name.partition(".")
    file = _Member((folder + slash + key).removeprefix("./"), kind.lower(), shard, member.offset_data, member.size)
    return [file] if member.isreg() and key else []


def _read_annotation(sample: _Sample, member: _Member, file: BinaryIO) -> None:
    """Read an annotation file into its sample."""
    file.seek(member.offset)
    try:
        text = file.read(member.size).decode("utf-8-sig")
        content = json.loads(text) if member.kind == "json" else {}
    except ValueError as error:
        raise InputError(
            f"Expected UTF-8 text in {member.key}.{member.kind} of {member.shard}, got {error}. Correct the file."
        ) from error
    if member.kind == "cls":
        sample.label = text.strip()
    elif member.kind == "txt":
        sample.captions = (*(line.strip() for line in text.splitlines() if line.strip()), *sample.captions)
    else:
        _read_json(sample, member, content)


def _read_json(sample: _Sample, member: _Member, content: Any) -> None:
    named = f"{member.key}.json of {member.shard}"
    require(isinstance(content, dict), f"Expected an object in {named}, got {type(content).__name__}. Write {{...}}.")
    captions = content.pop("captions", [])
    one = content.pop("caption", None)
    captions = [*(captions if isinstance(captions, list) else [captions]), *([] if one is None else [one])]
    require(
        all(isinstance(text, str) and text.strip() for text in captions),
        f"Expected captions that are texts and not empty in {named}, got {captions}. Correct the file.",
    )
    sample.captions = (*sample.captions, *captions)
    sample.metadata = {name: value for name, value in content.items() if isinstance(value, (str, int, float, bool))}


def _labels(
    samples: Sequence[_Sample], names: Sequence[str], classes: Sequence[str] | None
) -> list[int | str | None] | None:
    """Label of each sample, as numbers if all are numbers or names of ``classes``; None if no sample has a label."""
    unlabelled = [name for name, sample in zip(names, samples, strict=True) if not sample.label]
    if len(unlabelled) == len(samples) and classes is None:
        return None
    require(
        not unlabelled,
        f"Expected a label (.cls) of each image, got none of {unlabelled[:1]}. Add it, or remove all labels.",
    )
    number = {name: place for place, name in enumerate(classes or ())}
    texts = [str(sample.label) for sample in samples]
    unknown = next((text for text in texts if number and text not in number and not text.isdecimal()), None)
    require(
        unknown is None,
        f"Expected classes that {', '.join([*number][:5])} and so on list, got {unknown!r} in "
        f"{names[texts.index(unknown)] if unknown else ''}. Correct the file of classes, or the label.",
    )
    if all(text in number or text.isdecimal() for text in texts):
        return [number[text] if text in number else int(text) for text in texts]
    return [*texts]


def _class_names(file: str) -> list[str]:
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a file of class names, got {file} ({error}). Correct the path.") from error
    names = [line.strip() for line in lines if line.strip()]
    require(
        0 < len(names) == len({*names}),
        f"Expected different class names in {file}, one a line, got {len(names)} lines with {len({*names})} names. "
        "Correct the file.",
    )
    return names
