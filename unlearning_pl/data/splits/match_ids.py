"""Ids as people write them, and the training images that they mean."""

from collections.abc import Collection, Iterable

from lightning.pytorch.utilities import rank_zero_info

from unlearning_pl.errors import require
from unlearning_pl.images.image_names import file_suffix, is_image
from unlearning_pl.unicode_names import normalize_path

_MAX_NAMED = 5  # ids that a message lists


class IdMatcher:
    """Find the ids that a name can mean: by its last folders, and without regard to the suffix of the image file.

    A name that ends in an id, such as the path of an image from another folder, means this id.

    Args:
        ids: Ids of the training images.

    Example:
        >>> matcher = IdMatcher(["train/cat/0.png", "train/dog/0.png", "train/dog/1.png"])
        >>> matcher.find("dog/0.png"), matcher.find("1.JPG"), matcher.find("0")
        (['train/dog/0.png'], ['train/dog/1.png'], ['train/cat/0.png', 'train/dog/0.png'])
        >>> matcher.find("/mnt/photos/train/dog/0.png"), matcher.find("/mnt/photos/test/dog/0.png")
        (['train/dog/0.png'], [])
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._by_stem: dict[str, list[str]] = {}
        self._cut: dict[str, list[str]] = {}  # stems that end in a space or a backslash, which a bare name loses
        for name in ids:
            self._by_stem.setdefault(_stem(name).rpartition("/")[2], []).append(name)
            if (stem := _stem(name)) != (cut := normalize_path(stem)):
                self._cut.setdefault(cut.rpartition("/")[2], []).append(name)

    def find(self, name: str) -> list[str]:
        """Ids that end in the name; if there is none, those that do so without both suffixes, or end the name."""
        name = normalize_path(name)
        alike = self._by_stem.get(_stem(name).rpartition("/")[2], [])
        exact = [known for known in alike if normalize_path(known) == name]
        if exact:
            return exact
        suffixed = [known for known in alike if _ends_in(known, name)]
        # The row number 3 is no file, so "3.png" does not mean it.
        files = [known for known in alike if is_image(known) or not is_image(name)]
        longer = [known for known in alike if "/" in known and _ends_in(name, normalize_path(known))]
        cut = [known for known in self._cut.get(name.rpartition("/")[2], []) if _ends_in(_stem(known), name)]
        return suffixed or [known for known in files if _ends_in(_stem(known), _stem(name))] + cut or longer


def match_ids(ids: Iterable[str], field: str, known: Collection[str], others: Collection[str] = ()) -> list[str]:
    """Replace each name that is no id, but means exactly one, by this id; a note lists them.

    Args:
        ids: Names of images.
        field: Option that gave them, for messages.
        known: Ids of the training images.
        others: Further ids, of images that are not trained on; they stay as they are.

    Returns:
        The ids, in the same order; names that mean none are left as they are.

    Raises:
        InputError: If a name means several images.

    Example:
        >>> match_ids(["b.png", "no.png"], "forget.ids", ["train/a.png", "train/b.png"])
        ['train/b.png', 'no.png']
    """
    ids, exact = list(ids), {*known, *others}
    if exact.issuperset(ids):
        return ids
    matcher = IdMatcher(known)
    chosen: dict[str, str] = {}
    for name in ids:
        found = [] if name in exact else matcher.find(name)
        require(
            len(found) < 2,
            f"Expected ids of training images in {field}, got {name!r}, which may be {' or '.join(found[:_MAX_NAMED])}"
            f"{' ...' if len(found) > _MAX_NAMED else ''}. Write the whole id.",
        )
        if found:
            chosen[name] = found[0]
    if chosen:
        shown = ", ".join(f"{name} as {one}" for name, one in [*chosen.items()][:_MAX_NAMED])
        rank_zero_info(f"{len(chosen)} names in {field} are read as the only ids that they can mean: {shown}.")
    return [chosen.get(name, name) for name in ids]


def _stem(name: str) -> str:
    """The normalised name without the suffix of an image file."""
    name = normalize_path(name)
    return name[: -len(file_suffix(name))] if is_image(name) else name


def _ends_in(known: str, name: str) -> bool:
    return f"/{normalize_path(known)}".endswith(f"/{name}")
