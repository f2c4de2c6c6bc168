"""The training images that a file names: by their paths as a user sees them, or by their ids."""

import os
from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.data.splits.match_ids import IdMatcher
from unlearning_pl.errors import quote, require
from unlearning_pl.unicode_names import normalize_path

_MAX_NAMED = 3  # names that a message lists


def read_named_images(file: str, ids: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Read the names of images to forget, each of which must mean exactly one training image.

    A name is the path of an image, absolute or from the working directory or one of the folders, or an id, its end, or
    the same without the suffix of the file. Where it means nothing, the backslashes of Windows separate folders.

    Args:
        file: A .txt, .csv or .json, see :func:`~unlearning_pl.data.splits.id_files.read_ids`.
        ids: Ids of the training images.
        folders: The folder of the training images first, then others that paths may begin from; none if ids are no
            paths.

    Returns:
        Ids, each once, in the order of the file.

    Raises:
        InputError: If the file cannot be read, is empty, or a name means no training image or several.
    """
    known = set(ids)
    names = read_ids(file, known, "--forget")
    require(bool(names), f"Expected images to forget in {file}, got none. Write an id or a path on each line.")
    matcher = IdMatcher(ids)
    meant = {name: _meanings(name, known, matcher, folders) for name in names}
    unknown = [name for name, found in meant.items() if not found]
    listed = ", ".join(quote(name, 80) for name in unknown[:_MAX_NAMED]) + (" ..." if len(unknown) > _MAX_NAMED else "")
    require(
        not unknown,
        f"Expected training images in {file}, got {len(unknown)} of {len(meant)} names that are none: {listed}. "
        f"An id is written as {ids[0]}.",
    )
    unclear = next((name for name, found in meant.items() if len(found) > 1), "")
    require(
        not unclear,
        f"Expected names of one image each in {file}, got {quote(unclear, 80)}, which may be "
        f"{' or '.join(meant.get(unclear, [])[:_MAX_NAMED])}. Write the whole id.",
    )
    return [*dict.fromkeys(found[0] for found in meant.values())]


def _meanings(name: str, known: set[str], matcher: IdMatcher, folders: Sequence[Path]) -> list[str]:
    """All ids that a name may mean."""
    exact = [name] if name in known else matcher.find(name)
    found = [*dict.fromkeys([*_ids_of_path(name, known, folders), *exact])]
    if found or "\\" not in name:
        return found
    return _meanings(name.replace("\\", "/"), known, matcher, folders)


def _ids_of_path(name: str, known: set[str], folders: Sequence[Path]) -> list[str]:
    """Ids of the training images that lie at a path, seen from the working directory or a folder."""
    found = []
    for base in (Path(), *folders):
        path = Path(os.path.abspath(base / Path(name).expanduser()))
        root = Path(os.path.abspath(folders[0])) if folders else None
        if root is not None and root in path.parents and path.is_file():
            found.append(f"train/{normalize_path(path.relative_to(root).as_posix())}")
    return [name for name in found if name in known]
