"""Tiny ImageNet."""

from pathlib import Path
from typing import ClassVar

from torchvision.datasets.utils import download_and_extract_archive

from unlearning_pl.data.sources.photograph_files import Files, PhotographFiles
from unlearning_pl.data.sources.torchvision_arrays import read_dataset


class TinyImageNet(PhotographFiles):
    """Tiny ImageNet: 100 000 training and 10 000 test photographs of 64x64 pixels in 200 classes of ImageNet.

    Source: Le and Yang, "Tiny ImageNet Visual Recognition Challenge", CS 231N, Stanford, 2015. Read from the folder
    ``tiny-imagenet-200`` as it is published; the validation images are the test set, since the labels of the test
    images are not public. Classes are sorted by WordNet id and named by their first word in ``words.txt``, with the
    id if classes share that word. Ids are "train/n01443537_0.JPEG" and "test/val_0.JPEG".

    Args:
        root: Folder that contains ``tiny-imagenet-200``, or to download to.
        train_size: Number of training images to use, taken from the classes in turn; all by default.
        test_size: Number of test images to use, in the same way.
        image_size: Height and width to resize to.
        download: Whether to download the files (237 MiB) if they are missing.
        on_error: ``raise`` an error that names the corrupt images, or ``skip`` them with a warning.

    Example:
        >>> TinyImageNet(root="data").image_size
        64
    """

    folder: ClassVar[str] = "tiny-imagenet-200"
    url: ClassVar[str] = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    digest: ClassVar[str] = "90528d7ca1a48142e341f4ef8d21d0de"
    mean = (0.4802, 0.4481, 0.3975)
    std = (0.2770, 0.2691, 0.2821)

    def _list_files(self) -> tuple[Files, Files, list[str]]:
        def read(root: Path) -> tuple[Files, Files, list[str]]:
            if self.download and not (root / self.folder).is_dir():
                download_and_extract_archive(self.url, str(root), md5=self.digest)
            return _read_folder(root / self.folder)

        return read_dataset("TinyImageNet", self.root, self.url, read)


def _read_folder(folder: Path) -> tuple[Files, Files, list[str]]:
    synsets = sorted((folder / "wnids.txt").read_text(encoding="utf-8").split())
    number = {synset: row for row, synset in enumerate(synsets)}
    train = [
        (path, number[synset])
        for synset in synsets
        for path in sorted((folder / "train" / synset / "images").iterdir(), key=_sort_key)
    ]
    lines = (folder / "val" / "val_annotations.txt").read_text(encoding="utf-8").splitlines()
    annotations = [line.split("\t")[:2] for line in lines if line.strip()]
    test = [(folder / "val" / "images" / name, number[synset]) for name, synset in annotations]
    return train, test, _class_names(synsets, (folder / "words.txt").read_text(encoding="utf-8"))


def _sort_key(path: Path) -> tuple[int, str]:
    """Sort by the number at the end of a file name, so that n_10 comes after n_9."""
    digits = path.stem.rpartition("_")[2]
    return (int(digits) if digits.isdecimal() else 0), path.name


def _class_names(synsets: list[str], words: str) -> list[str]:
    known = dict(line.split("\t", 1) for line in words.splitlines() if "\t" in line)
    names = [known.get(synset, synset).split(",")[0].strip() for synset in synsets]
    return [
        name if names.count(name) == 1 else f"{name} ({synset})" for name, synset in zip(names, synsets, strict=True)
    ]
