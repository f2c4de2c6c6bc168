"""What is to be forgotten, and which training images that means."""

import csv
import difflib
import io
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.errors import InputError, require


@dataclass(frozen=True)
class ForgetRequest:
    """Which training images to forget: exactly one of the first five, or none of them for nothing to forget.

    Args:
        fraction: Share of the training images, drawn at random, in (0, 1); at least one image. Where images have been
            forgotten before, the share is of those that are still retained.
        count: Number of training images, drawn at random.
        classes: Names of classes, or their numbers: all training images of them. One, or a list: ``[cat, dog]``.
        ids: Ids of training images. One, or a list: ``[17, 360]``.
        file: File of ids: .txt (one a line), .csv (column ``id``, else the first column) or .json (a list, or
            an object with a list under "forget", such as the split.json of another run).
        seed: Seed of the draw, for ``fraction`` and ``count``.

    Raises:
        InputError: If more than one way is given, or a number is out of its range.

    Example:
        >>> ForgetRequest(fraction=0.1)
        ForgetRequest(fraction=0.1, count=None, classes=None, ids=None, file=None, seed=0)
    """

    fraction: float | None = None
    count: int | None = None
    classes: list[str | int] | str | int | None = None
    ids: list[str | int] | str | int | None = None
    file: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("classes", "ids"):
            value = getattr(self, name)
            if value is not None:
                listed = value if isinstance(value, list) else [value]
                object.__setattr__(self, name, [str(entry) for entry in listed])
        given = [name for name, value in self.given().items() if name != "seed"]
        require(
            len(given) <= 1,
            f"Expected one way to choose what to forget, got {' and '.join(given)}. "
            "Keep one of fraction, count, classes, ids and file, and set the others to null.",
        )
        require(
            self.fraction is None or 0 < self.fraction < 1,
            f"Expected forget.fraction above 0 and below 1, got {self.fraction}. Give a share such as 0.1 for 10 %.",
        )
        require(
            self.count is None or self.count >= 1,
            f"Expected forget.count >= 1, got {self.count}. Leave it out to forget nothing.",
        )
        require(self.seed >= 0, f"Expected forget.seed >= 0, got {self.seed}. Choose a seed that is not negative.")

    def given(self) -> dict[str, Any]:
        """The fields that are set, and the seed where images are drawn.

        Example:
            >>> ForgetRequest(classes=["cat"]).given()
            {'classes': ['cat']}
        """
        drawn = self.fraction is not None or self.count is not None
        return {name: value for name, value in vars(self).items() if value is not None and (drawn or name != "seed")}


def choose(
    request: ForgetRequest,
    train: ImageSet,
    candidates: Tensor,
    test_ids: Collection[str] = (),
    forgotten_ids: Collection[str] = (),
) -> Tensor:
    """The training images that a request means.

    Args:
        request: What to forget.
        train: The training images.
        candidates: Rows of ``train`` that are trained on, ``(n,)`` int64, sorted; the others are held out or forgotten.
        test_ids: Ids of the test images, for a better message where one of them is asked for.
        forgotten_ids: Ids of the images forgotten before, likewise.

    Returns:
        Rows of ``train``, sorted, ``(k,)`` int64 with ``k < n``; empty where the request is.

    Raises:
        InputError: If the request names what is not there, or means no image or all of them.

    Example:
        >>> images = torch.zeros(3, 3, 1, 1, dtype=torch.uint8)
        >>> train = ImageSet(images, torch.tensor([0, 1, 0]), ["a", "b", "c"], ["cat", "dog"])
        >>> choose(ForgetRequest(classes=["cat"]), train, torch.arange(3)).tolist()
        [0, 2]
    """
    asked = {name: value for name, value in request.given().items() if name != "seed"}
    if not asked:
        return candidates[:0]
    field, value = next(iter(asked.items()))
    if field in ("fraction", "count"):
        count = value if field == "count" else max(1, round(value * len(candidates)))
        rows = candidates[torch.from_numpy(draw(len(candidates), request.seed)[:count])]
    elif field == "classes":
        rows = candidates[torch.isin(train.targets[candidates], _class_numbers(value, train.class_names))]
    else:
        ids = value if field == "ids" else read_ids(value, set(train.ids))
        rows = _rows_of(ids, f"forget.{field}", train, candidates, test_ids, forgotten_ids)
    n, meant = len(candidates), "none" if len(rows) == 0 else "all"
    state = "still retained" if forgotten_ids else "trained on"
    require(
        0 < len(rows) < n,
        f"Expected a request for 1 to {n - 1} of the {n} images {state}, got {field}={_short(value)}, "
        f"which means {meant}. Ask for some, and leave some to retain.",
    )
    return rows.sort().values


def draw(n: int, seed: int | tuple[int, ...]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """A random order of ``n`` rows that depends on nothing but the arguments, not on process or platform.

    Example:
        >>> draw(5, seed=0).tolist()
        [2, 4, 3, 0, 1]
    """
    return np.random.Generator(np.random.PCG64(seed)).permutation(np.arange(n, dtype=np.int64))


def _class_numbers(asked: Iterable[str | int], names: list[str]) -> Tensor:
    numbers = []
    for name in map(str, asked):
        if name in names:
            numbers.append(names.index(name))
        elif name.isdecimal() and int(name) < len(names):
            numbers.append(int(name))
        else:
            close = difflib.get_close_matches(name, names, n=3) or names[:10]
            more = " ..." if close == names[:10] and len(names) > 10 else ""
            raise InputError(
                f"Expected names of classes in forget.classes, got {name!r}. "
                f"Choose from: {', '.join(close)}{more}; or a number from 0 to {len(names) - 1}."
            )
    return torch.tensor(numbers, dtype=torch.int64)


def _rows_of(
    ids: list[str],
    field: str,
    train: ImageSet,
    candidates: Tensor,
    test_ids: Collection[str],
    forgotten_ids: Collection[str],
) -> Tensor:
    position = {name: row for row, name in enumerate(train.ids)}
    trained_on = set(candidates.tolist())
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            problem = "twice. List each id once."
        elif name in test_ids:
            problem = "which is a test image and never trained on. Leave it out."
        elif name not in position:
            close = difflib.get_close_matches(name, train.ids[:5000], n=1) or train.ids[:1]
            problem = f"which is not in the training data. Ids there look like {close[0]!r}."
        elif name in forgotten_ids:
            problem = "which has been forgotten before. Leave it out."
        elif position[name] not in trained_on:
            problem = "which is held out for validation and never trained on. Leave it out."
        else:
            seen.add(name)
            continue
        raise InputError(f"Expected ids of training images in {field}, got {name!r}, {problem}")
    return torch.tensor([position[name] for name in ids], dtype=torch.int64)


def read_ids(file: str | Path, known: Collection[str] = ()) -> list[str]:
    """The ids in a .txt, .csv or .json file.

    Args:
        file: Its path; the ending says the format, see :class:`ForgetRequest`.
        known: Ids that exist: a .csv without a column ``id`` that starts with one of them has no header.

    Raises:
        InputError: If the file is missing, is not what its ending says, or has another ending.

    Example:
        >>> read_ids("a.xls")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected .txt, .csv or .json at forget.file, got 'a.xls'. Convert it.
    """
    path = Path(file).expanduser()
    parsers: dict[str, Callable[[str], list[str]]] = {
        ".txt": lambda text: [line.strip() for line in text.splitlines() if line.strip()],
        ".csv": lambda text: _from_csv(text, known),
        ".json": _from_json,
    }
    require(
        path.suffix.lower() in parsers,
        f"Expected .txt, .csv or .json at forget.file, got {str(file)!r}. Convert it.",
    )
    try:
        return parsers[path.suffix.lower()](path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"Expected a file of ids at forget.file, got {str(file)!r}, not readable ({error.strerror}). "
            "Correct the path, relative to the working directory."
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error) as error:
        raise InputError(
            f"Expected ids in forget.file, got {str(file)!r}, which does not parse ({error}). "
            'Give a JSON list of ids or an object with one under "forget", or write one id a line in a .txt.'
        ) from error


def _from_csv(text: str, known: Collection[str]) -> list[str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    if not rows:
        return []
    column = rows[0].index("id") if "id" in rows[0] else 0
    # A first cell that looks like no id is a header; one that might be a mistyped id is left for the look-up to refuse.
    has_header = "id" in rows[0] or (rows[0][0] not in known and rows[0][0].replace("_", "").isalpha())
    return [row[column] for row in rows[has_header:] if column < len(row)]


def _from_json(text: str) -> list[str]:
    value = json.loads(text)
    ids = value["forget"] if isinstance(value, dict) else value
    if not isinstance(ids, list) or not all(type(name) in (str, int) for name in ids):
        raise TypeError("no list of strings")
    return [str(name) for name in ids]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
