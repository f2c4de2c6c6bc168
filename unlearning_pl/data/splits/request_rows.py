"""Resolve a forget request to rows of the training images."""

import difflib
import hashlib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearning_pl.data.splits.column_comparison import is_number
from unlearning_pl.data.splits.condition_parser import (
    condition_columns,
    evaluate_condition,
    named_values,
    parse_condition,
)
from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.data.splits.match_ids import match_ids
from unlearning_pl.errors import MAX_QUOTED, InputError, quote, require, shorten
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.unicode_names import normalize_name


def resolve_request(
    request: ForgetRequest,
    train: ImageSet,
    candidates: Tensor,
    test_ids: Collection[str] = (),
    forgotten_ids: Collection[str] = (),
) -> Tensor:
    """Resolve a forget request to training images.

    Args:
        request: The request.
        train: The training images.
        candidates: Rows of ``train`` that are trained on, ``(n,)`` int64, sorted; the others are held out or forgotten.
        test_ids: Ids of the test images, for a better message if one of them is requested.
        forgotten_ids: Ids of the images forgotten before, for the same purpose.

    Returns:
        Rows of ``train``, sorted, ``(k,)`` int64 with ``k < n``; empty if the request is empty.

    Raises:
        InputError: If the request names unknown ids, classes or columns, or matches no image or all of them.

    Example:
        >>> images = torch.zeros(3, 3, 1, 1, dtype=torch.uint8)
        >>> train = ImageSet(images, torch.tensor([0, 1, 0]), ["a", "b", "c"], ["cat", "dog"])
        >>> resolve_request(ForgetRequest(classes=["cat"]), train, torch.arange(3)).tolist()
        [0, 2]
    """
    asked = {name: value for name, value in request.given().items() if name != "seed"}
    if not asked:
        return candidates[:0]
    ((field, value),) = asked.items()
    if field in ("ids", "file"):
        ids = value if field == "ids" else read_ids(value, set(train.ids))
        rows = rows_of_ids(ids, f"forget.{field}", train, candidates, test_ids, forgotten_ids)
    else:
        rows = _rows_by_rule(field, value, request.seed, train, candidates)
    n, meant = len(candidates), "none" if len(rows) == 0 else "all"
    state = "still retained" if forgotten_ids else "trained on"
    require(
        0 < len(rows) < n,
        f"Expected a request for 1 to {n - 1} of the {n} images {state}, got {field}={quote(value, 60)}, "
        f"which means {meant}. Ask for some, and leave some to retain.",
    )
    return rows.sort().values


def seeded_permutation(n: int, seed: int | tuple[int, ...]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """A random permutation of ``n`` rows that depends on the arguments alone, not on process or platform.

    Example:
        >>> seeded_permutation(5, seed=0).tolist()
        [2, 4, 3, 0, 1]
    """
    return np.random.Generator(np.random.PCG64(seed)).permutation(np.arange(n, dtype=np.int64))


def _rows_by_rule(field: str, value: Any, seed: int, train: ImageSet, candidates: Tensor) -> Tensor:
    """Candidates chosen by number, class or condition."""
    if field in ("fraction", "count"):
        count = value if field == "count" else max(1, round(value * len(candidates)))
        return candidates[torch.from_numpy(seeded_permutation(len(candidates), seed)[:count])]
    require(
        field == "where" or bool(train.class_names),
        f"Expected images with classes for forget.{field}, got images without. Ask in another way.",
    )
    if field == "classes":
        numbers = [_class_number(name, field, train.class_names) for name in value]
        return candidates[torch.isin(train.targets[candidates], torch.tensor(numbers, dtype=torch.int64))]
    if field == "where":
        return candidates[torch.tensor(_meets(value, train))[candidates]]
    drawn = [
        _draw_from_class(number, count, seed, train, candidates)
        for number, count in _counts_per_class(value, train, candidates).items()
    ]
    return torch.cat([candidates[:0], *drawn])


def _meets(text: str, train: ImageSet) -> list[bool]:
    """Whether each image meets a condition, in which the names of classes and images must exist."""
    condition = parse_condition(text)
    for column, names in (("class", train.class_names), ("id", train.ids)):
        asked, known = named_values(condition, column) if names else [], set(names)
        unknown = next((name for name in asked if name not in known), None)
        if unknown is not None:
            close = difflib.get_close_matches(unknown[:MAX_QUOTED], names[:5000], n=3) or names[:3]
            raise InputError(
                f"Expected the {column} of an image in forget.where, got {quote(unknown)}. "
                f"Names there look like {', '.join(map(quote, close))}."
            )
    return evaluate_condition(condition, condition_columns(train))


def _counts_per_class(asked: int | dict[str, int], train: ImageSet, candidates: Tensor) -> dict[int, int]:
    """Number of images to draw, by number of the class."""
    if isinstance(asked, int):
        return dict.fromkeys(torch.bincount(train.targets[candidates]).nonzero().flatten().tolist(), asked)
    numbers = [_class_number(name, "per_class", train.class_names) for name in asked]
    require(
        len(set(numbers)) == len(numbers),
        f"Expected each class once in forget.per_class, got {shorten(', '.join(asked))}. Keep its name or its number.",
    )
    return dict(zip(numbers, asked.values(), strict=True))


def _draw_from_class(number: int, count: int, seed: int, train: ImageSet, candidates: Tensor) -> Tensor:
    rows = candidates[train.targets[candidates] == number]
    name = train.class_names[number]
    require(
        count <= len(rows),
        f"Expected forget.per_class up to {len(rows)} for the class {name!r}, which has no more images to choose from, "
        f"got {count}. Ask for fewer, or name the classes that have enough.",
    )
    # Seeded by the name: neither other classes nor the number of this class among them change the draw.
    stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return rows[torch.from_numpy(seeded_permutation(len(rows), (seed, stream))[:count])]


def _class_number(name: str, field: str, names: list[str]) -> int:
    """Number of a class by its exact name, or by its number where no name could be mistaken for one."""
    for form in (name, normalize_name(name)):
        if form in names:
            return names.index(form)
    numbered = not any(map(is_number, names))
    if numbered and name in map(str, range(len(names))):
        return int(name)
    close = difflib.get_close_matches(name[:MAX_QUOTED], names, n=3) or names[:10]
    more = " ..." if close == names[:10] and len(names) > 10 else ""
    number = f"; or a number from 0 to {len(names) - 1}" if numbered else ""
    raise InputError(
        f"Expected names of classes in forget.{field}, got {quote(name)}. "
        f"Choose from: {', '.join(close)}{more}{number}."
    )


def rows_of_ids(
    ids: Iterable[str],
    field: str,
    train: ImageSet,
    candidates: Tensor,
    test_ids: Collection[str] = (),
    forgotten_ids: Collection[str] = (),
) -> Tensor:
    """Look up rows of training images by id, in the order of the ids, ``(k,)`` int64.

    Args:
        ids: The ids, or what can mean no other, see :func:`~unlearning_pl.data.splits.match_ids.match_ids`.
        field: Option that gave them, for messages.
        train: The training images.
        candidates: Rows that may be chosen.
        test_ids: Ids of the test images.
        forgotten_ids: Ids of the images forgotten before.

    Raises:
        InputError: If an id is repeated, or is not an id of a candidate.

    Example:
        >>> train = ImageSet(torch.zeros(2, 3, 1, 1, dtype=torch.uint8), torch.tensor([0, 0]), ["a", "b"], ["all"])
        >>> rows_of_ids(["b"], "nearest", train, torch.arange(2)).tolist()
        [1]
    """
    ids = match_ids(ids, field, train.ids, test_ids)
    position = {name: row for row, name in enumerate(train.ids)}
    trained_on = set(candidates.tolist())
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            problem = "twice. List each id once."
        elif name in test_ids:
            problem = "which is a test image and never trained on. Leave it out."
        elif name not in position:
            close = difflib.get_close_matches(name[:MAX_QUOTED], train.ids[:5000], n=1) or train.ids[:1]
            problem = f"which is not in the training data. Ids there look like {close[0]!r}."
        elif name in forgotten_ids:
            problem = "which has been forgotten before. Leave it out."
        elif position[name] not in trained_on:
            problem = "which is held out for validation and never trained on. Leave it out."
        else:
            seen.add(name)
            continue
        raise InputError(f"Expected ids of training images in {field}, got {quote(name)}, {problem}")
    return torch.tensor([position[name] for name in ids], dtype=torch.int64)
