"""Guess the source of images, and its training and test part, from what lies at a path."""

from pathlib import Path
from typing import NamedTuple

from unlearning_pl.errors import InputError, require

_TEST_NAMES = ("test", "val", "valid", "validation")
"""Names of held-out parts, of which the first one that exists is used."""
_PARTS = ("{}", "{}*.tar", "{}*.parquet", "{}.csv", "{}.tsv", "{}.jsonl")
"""Names of a part in a folder, with the part's name in place of the braces: a folder, files, or a file."""
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")


class Layout(NamedTuple):
    """Where images are.

    Attributes:
        source: Class of the source.
        train: Its training part.
        test: Its test part, which the model was not trained on.
    """

    source: str
    train: str
    test: str

    @property
    def folder(self) -> Path | None:
        """Folder of the training images, in which their ids are paths; None if ids are no paths.

        Example:
            >>> Layout("ImageTable", "pairs/train.csv", "pairs/test.csv").folder.name
            'pairs'
        """
        folders = {"Folder": Path(self.train), "ImageTable": Path(self.train).parent}
        return folders.get(self.source)

    def options(self) -> list[str]:
        """The source as options of a command.

        Example:
            >>> " ".join(Layout("Folder", "photos/train", "photos/test").options())
            '--data.source Folder --data.source.train photos/train --data.source.test photos/test'
        """
        option = "--data.source"
        return [option, self.source, f"{option}.train", self.train, f"{option}.test", self.test]


def guess_layout(images: str, test: str | None = None) -> Layout:
    """Find the training and the test images.

    A folder has ``train`` and ``test`` (or ``val``), each a folder of classes, shards or parquet files, or files whose
    names begin so. Otherwise it is the training part itself, a folder of classes, and ``test`` names the other part.

    Args:
        images: A folder, or a table, a shard or a parquet file.
        test: Images that the model was not trained on, where they are not in ``images``.

    Raises:
        InputError: If a part does not exist, or there are no test images.
    """
    place = Path(images).expanduser()
    require(place.exists(), f"Expected images at --images, got {images}, which does not exist. Correct the path.")
    if test is not None:
        require(
            Path(test).expanduser().exists(),
            f"Expected images at --test, got {test}, which does not exist. Correct the path.",
        )
        train = _part(place, "train") if place.is_dir() else None
        return _layout(images if train is None else train, test)
    train = _part(place, "train") if place.is_dir() else None
    held_out = next((part for name in _TEST_NAMES if place.is_dir() and (part := _part(place, name))), None)
    if train is None or held_out is None:
        raise InputError(
            f"Expected {images}/train and {images}/test, got {images} without {'train' if train is None else 'test'}. "
            "The audit compares with images that the model was not trained on: give such images as --test FOLDER."
        )
    return _layout(train, held_out)


def _part(folder: Path, name: str) -> str | None:
    """Path or pattern of a part in a folder; None if there is none."""
    return next((str(folder / part.format(name)) for part in _PARTS if any(folder.glob(part.format(name)))), None)


def _layout(train: str, test: str) -> Layout:
    kinds = [_source(path) for path in (train, test)]
    require(
        kinds[0][0] == kinds[1][0],
        f"Expected training and test images of one kind, got {train}, which {kinds[0][0]} reads, and {test}, which "
        f"{kinds[1][0]} reads. Give both in the same form.",
    )
    return Layout(kinds[0][0], kinds[0][1], kinds[1][1])


def _source(where: str) -> tuple[str, str]:
    """Class of the source, and the path or pattern that it takes."""
    path = Path(where).expanduser()
    if path.is_dir():
        for suffix, source in ((".tar", "Shards"), (".parquet", "Parquet")):
            if any(path.glob(f"*{suffix}")):
                return source, str(path / f"*{suffix}")
        return "Folder", where
    sources = {".tar": "Shards", ".parquet": "Parquet", **dict.fromkeys(_TABLES, "ImageTable")}
    suffix = path.suffix.lower()
    require(
        suffix in sources,
        f"Expected a folder of images, or a {', '.join(sources)} file, got {where}. Give one of them.",
    )
    return sources[suffix], where
