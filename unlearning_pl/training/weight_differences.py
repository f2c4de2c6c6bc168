"""What distinguishes the weights of a file from those of a model, in a few words for an error message."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import Tensor

from unlearning_pl.errors import shown

_SEGMENTS = 8
"""Most parts of a name in which a common ending is looked for."""


def name_difference(expected: Collection[str], actual: Collection[str]) -> str | None:
    """Describe the names that are missing or superfluous, and the prefix that differs; None if there are none.

    Args:
        expected: Names of the model's weights.
        actual: Names in the file.

    Example:
        >>> name_difference(["a.fc.bias"], ["b.fc.bias"])
        "1 is missing (a.fc.bias) and 1 is superfluous (b.fc.bias): 'b.' where the model has 'a.'"
    """
    expected_names, actual_names = set(expected), set(actual)
    missing = [name for name in expected if name not in actual_names]
    superfluous = [name for name in actual if name not in expected_names]
    if not missing and not superfluous:
        return None
    parts = [
        f"{_count(names)} {word} ({_first(names)})"
        for names, word in ((missing, "missing"), (superfluous, "superfluous"))
        if names
    ]
    prefixes = _nearest_prefixes(missing, superfluous)
    pair = "" if prefixes is None else f": '{shown(prefixes[0])}' where the model has '{shown(prefixes[1])}'"
    return " and ".join(parts) + pair


def shape_difference(expected: Mapping[str, Tensor], actual: Mapping[str, Tensor]) -> str | None:
    """Describe the first weight of another shape, and how many there are; None if there is none.

    Example:
        >>> import torch
        >>> shape_difference({"bias": torch.ones(3)}, {"bias": torch.ones(2)})
        'bias has the shape (2,) in place of (3,)'
    """
    different = [name for name, value in expected.items() if value.shape != actual[name].shape]
    if not different:
        return None
    first, more = different[0], len(different) - 1
    text = f"{first} has the shape {tuple(actual[first].shape)} in place of {tuple(expected[first].shape)}"
    others = "1 other differs" if more == 1 else f"{more} others differ"
    return f"{text}, and {others}" if more else text


def _count(names: Collection[str]) -> str:
    return f"{len(names)} {'is' if len(names) == 1 else 'are'}"


def _first(names: Collection[str]) -> str:
    return ", ".join([*map(shown, [*names][:3]), *(["..."] if len(names) > 3 else [])])


def _nearest_prefixes(missing: Sequence[str], superfluous: Sequence[str]) -> tuple[str, str] | None:
    """The prefixes, of the file and of the model, that half of the names or more have before the same rest."""
    endings = {ending: prefix for name in missing for prefix, ending in _endings(name)}
    pairs: Counter[tuple[str, str]] = Counter()
    for name in superfluous:
        match = next(((prefix, endings[ending]) for prefix, ending in _endings(name) if ending in endings), None)
        pairs.update([] if match is None else [match])
    pair, count = pairs.most_common(1)[0] if pairs else (None, 0)
    return pair if 2 * count >= min(len(missing), len(superfluous)) else None


def _endings(name: str) -> Iterable[tuple[str, str]]:
    """The ways to divide a name into a prefix and an ending of two parts or more, the longest ending first."""
    parts = name.split(".", _SEGMENTS)
    for number in range(len(parts) - 1):
        prefix = "".join(f"{part}." for part in parts[:number])
        yield prefix, ".".join(parts[number:])
