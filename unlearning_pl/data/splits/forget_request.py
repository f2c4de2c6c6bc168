"""Forget requests: which training images to forget."""

from dataclasses import dataclass
from typing import Any

from unlearning_pl.data.splits.condition_parser import parse_condition
from unlearning_pl.errors import quote, require

_RANDOM = ("fraction", "count", "per_class")


@dataclass(frozen=True)
class ForgetRequest:
    """Which training images to forget: set exactly one field besides the seed, or none to forget nothing.

    Args:
        fraction: Fraction of the training images, drawn at random, in (0, 1); at least one image. If images have been
            forgotten before, it is a fraction of those still retained.
        count: Number of training images to draw at random.
        classes: Names of classes, whose training images are all forgotten, or their numbers if no class is named like
            a number. One, or a list: ``[cat, dog]``.
        ids: Ids of training images. One, or a list: ``[17, 360]``.
        file: File of ids: .txt (one a line), .csv (column ``id``, else the first column) or .json (a list, or
            an object with a list under "forget", such as the split.json of another run).
        per_class: Number of training images to draw at random from every class that has any, or from each named class:
            ``{cat: 5, dog: 10}``. The draw from a class does not depend on other classes.
        where: Condition on the metadata, id and class of an image, with ``and``, ``or`` and parentheses:
            ``owner == 17 and class in [cat, dog]``, see
            :func:`~unlearning_pl.data.splits.condition_parser.parse_condition`.
        seed: Seed of the random draw, for ``fraction``, ``count`` and ``per_class``.

    Raises:
        InputError: If more than one field is set, a number is out of its range, or the condition does not parse.

    Example:
        >>> ForgetRequest(fraction=0.1).given()
        {'fraction': 0.1, 'seed': 0}
    """

    fraction: float | None = None
    count: int | None = None
    classes: list[str | int] | str | int | None = None
    ids: list[str | int] | str | int | None = None
    file: str | None = None
    per_class: int | dict[str, int] | None = None
    where: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self._normalise_fields()
        given = [name for name in self.given() if name != "seed"]
        require(
            len(given) <= 1,
            f"Expected one way to choose what to forget, got {' and '.join(given)}. "
            "Keep one of fraction, count, classes, ids, file, per_class and where, and set the others to null.",
        )
        require(
            self.fraction is None or 0 < self.fraction < 1,
            f"Expected forget.fraction above 0 and below 1, got {self.fraction}. Give a fraction such as 0.1 for 10 %.",
        )
        numbers = {"count": self.count}
        named = self.per_class if isinstance(self.per_class, dict) else {"": self.per_class}
        numbers |= {f"per_class{f'.{name}' if name else ''}": number for name, number in named.items()}
        for field, number in numbers.items():
            require(
                number is None or number >= 1,
                f"Expected forget.{field} >= 1, got {quote(number)}. Leave it out to forget nothing.",
            )
        require(
            self.seed >= 0, f"Expected forget.seed >= 0, got {quote(self.seed)}. Choose a seed that is not negative."
        )
        if self.where is not None:
            parse_condition(str(self.where))

    def _normalise_fields(self) -> None:
        for name in ("classes", "ids"):
            value = getattr(self, name)
            if value is not None:
                listed = value if isinstance(value, list) else [value]
                other = [entry for entry in listed if type(entry) not in (str, int)]
                require(
                    not other, f"Expected text in forget.{name}, got {', '.join(map(quote, other[:1]))}. Give names."
                )
                object.__setattr__(self, name, [str(entry) for entry in listed])
        if isinstance(self.per_class, dict):
            object.__setattr__(self, "per_class", {str(name): number for name, number in self.per_class.items()})

    @property
    def is_drawn(self) -> bool:
        """Whether images are drawn at random from all training images."""
        return self.fraction is not None or self.count is not None

    def given(self) -> dict[str, Any]:
        """The fields that are set, and the seed if images are drawn at random.

        Example:
            >>> ForgetRequest(classes=["cat"]).given()
            {'classes': ['cat']}
        """
        drawn = any(getattr(self, name) is not None for name in _RANDOM)
        return {name: value for name, value in vars(self).items() if value is not None and (drawn or name != "seed")}
