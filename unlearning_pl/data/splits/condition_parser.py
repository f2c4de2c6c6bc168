"""The language of ``forget.where``: comparisons of an image's columns, joined by ``and``, ``or`` and parentheses.

    owner == 17
    camera in [front, "left door"] and (year < 2020 or year > 2023)

Python's parser reads it after each name and value has been replaced by a placeholder, since a column may be called
``class`` or ``left-camera``. Only comparisons, ``and`` and ``or`` pass; nothing in a condition is ever evaluated.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from unlearning_pl.data.splits.column_comparison import compare_column
from unlearning_pl.errors import InputError, quote, suggest_names
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.unicode_names import normalize_name

_TOKEN = re.compile(r"""(?P<text>"[^"]*"|'[^']*'|[^\s"'=!<>\[\](),]+)|[=!<>]=|\S""")
_QUOTES = "\"'"
_KEYWORDS = {"and", "or", "in", "not"}
_SIGNS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class Comparison(NamedTuple):
    """One comparison of a column with a value, or with several for ``in`` and ``not in``.

    Attributes:
        column: Name of the column.
        operator: One of == != < <= > >= in, not in.
        values: The values as written, without quotes.
        quoted: Whether each value was quoted, which makes it text; none of them if empty.
    """

    column: str
    operator: str
    values: tuple[str, ...]
    quoted: tuple[bool, ...] = ()


class Junction(NamedTuple):
    """Conditions of which an image must meet every one, or at least one.

    Attributes:
        operator: ``and`` or ``or``.
        parts: The conditions, two or more.
    """

    operator: str
    parts: "tuple[Comparison | Junction, ...]"


def parse_condition(text: str) -> Comparison | Junction:
    """Parse a condition.

    Args:
        text: Comparisons joined by ``and`` and ``or``, of which ``and`` binds more tightly; parentheses group them.
            Names and values need quotes only if they contain spaces, signs, commas, brackets or parentheses.

    Raises:
        InputError: If the text is anything else.

    Example:
        >>> parse_condition("class in [cat, 'big dog']")
        Comparison(column='class', operator='in', values=('cat', 'big dog'), quoted=(False, True))
        >>> parse_condition("a == 1 and (b == 2 or c == 3)").parts[1].operator
        'or'
    """
    text = normalize_name(text)  # as the sources give columns, ids and classes
    tokens = [*_TOKEN.finditer(text)]
    source = _with_placeholders(tokens)
    try:
        # A line for each token, so that the number of a line is the number of its token.
        return _convert(ast.parse(" \\\n".join(source), mode="eval").body, [token[0] for token in tokens])
    except (SyntaxError, MemoryError) as error:  # the latter for too many nested parentheses
        line, offset = getattr(error, "lineno", 1) or 0, getattr(error, "offset", 1) or 0
        within = 0 < line <= len(tokens) and 0 < offset <= len(source[line - 1])
        where = (
            f"not understood from {quote(text[tokens[line - 1].start() :].strip())} on"
            if within
            else "which ends too early"
        )
        raise InputError(
            f"Expected a condition in forget.where, got {quote(text)}, {where}. Write it like: owner == 17 and "
            '(class in [cat, "big dog"] or year < 2020); the signs are == != < <= > >= in, not in.'
        ) from error


def _with_placeholders(tokens: Sequence[re.Match[str]]) -> list[str]:
    """Python source in which ``_3`` stands for token 3; a word such as ``or`` is a keyword only behind an operand."""
    source: list[str] = []
    behind_operand = False
    for number, token in enumerate(tokens):
        is_text = token.lastgroup == "text" and not (behind_operand and token[0] in _KEYWORDS)
        source.append(f"_{number}" if is_text else token[0])
        behind_operand = is_text or token[0] in (")", "]", "not")
    return source


def _convert(node: ast.expr, tokens: Sequence[str]) -> Comparison | Junction:
    """Convert a tree of comparisons, ``and`` and ``or``; any other node raises SyntaxError with its line."""

    def token(leaf: ast.expr) -> str:
        if not isinstance(leaf, ast.Name):
            raise SyntaxError("no name or value", ("", leaf.lineno, 1, None))
        return tokens[int(leaf.id[1:])]

    def comparison(left: ast.expr, sign: str, values: list[ast.expr]) -> Comparison:
        column, *words = map(token, (left, *values))
        return Comparison(
            _unquote(column), sign, tuple(map(_unquote, words)), tuple(word[0] in _QUOTES for word in words)
        )

    match node:
        case ast.BoolOp(op, parts):
            return Junction("and" if isinstance(op, ast.And) else "or", tuple(_convert(part, tokens) for part in parts))
        case ast.Compare(left, [sign], [value]) if type(sign) in _SIGNS:
            return comparison(left, _SIGNS[type(sign)], [value])
        case ast.Compare(left, [sign], [ast.List([_, *_] as values)]):  # "is" is no keyword here
            return comparison(left, "in" if isinstance(sign, ast.In) else "not in", values)
    # A name alone is followed by the fault: a sign is missing.
    raise SyntaxError("no comparison", ("", node.lineno + isinstance(node, ast.Name), 1, None))


def _unquote(token: str) -> str:
    return token[1:-1] if token[0] in _QUOTES else token


def condition_columns(images: ImageSet) -> dict[str, Sequence[Any]]:
    """Columns that a condition can name: the metadata, ``id``, and ``class`` if the images have classes.

    Classes appear by name. ``id`` and ``class`` replace columns of the metadata with these names.

    Example:
        >>> import torch
        >>> pixels = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
        >>> images = ImageSet(pixels, torch.tensor([1, 0]), ["a", "b"], ["cat", "dog"], metadata={"owner": [17, 3]})
        >>> condition_columns(images)
        {'owner': [17, 3], 'id': PackedStrings(['a', 'b']), 'class': ['dog', 'cat']}
    """
    known: dict[str, Sequence[Any]] = {**images.metadata, "id": images.ids}
    if names := images.class_names:
        known["class"] = [names[target] for target in images.targets.tolist()]
    return known


def evaluate_condition(condition: Comparison | Junction, known: Mapping[str, Sequence[Any]]) -> list[bool]:
    """Whether each image meets a condition; a missing value (None, NaN, empty text) meets no comparison.

    Values are compared as numbers or as text, see
    :func:`~unlearning_pl.data.splits.column_comparison.compare_column`.

    Args:
        condition: The result of :func:`parse_condition`.
        known: Columns by name, as :func:`condition_columns` returns them.

    Raises:
        InputError: If there is no such column, or a number is compared with cells that are text.

    Example:
        >>> evaluate_condition(Comparison("owner", "<", ("9",)), {"owner": [17, 3, None]})
        [False, True, False]
        >>> evaluate_condition(parse_condition("owner == 3 or owner == 17"), {"owner": [17, 3, None]})
        [True, True, False]
    """
    if isinstance(condition, Junction):
        rows = zip(*(evaluate_condition(part, known) for part in condition.parts), strict=True)
        return [(all if condition.operator == "and" else any)(row) for row in rows]
    if condition.column not in known:
        listed = f"There are {', '.join(known)}."
        near = suggest_names(condition.column, known, listed)
        more = "" if near == listed else f" {listed}"
        raise InputError(f"Expected a column in forget.where, got {quote(condition.column)}. {near}{more}")
    quoted = condition.quoted or (False,) * len(condition.values)
    return compare_column(condition.column, condition.operator, condition.values, quoted, known[condition.column])


def named_values(condition: Comparison | Junction, column: str) -> list[str]:
    """Values that a condition compares with a column by ``==``, ``!=``, ``in`` or ``not in``.

    Example:
        >>> named_values(parse_condition("class in [cat, dog] and (owner == 3 or class != cow)"), "class")
        ['cat', 'dog', 'cow']
    """
    if isinstance(condition, Junction):
        return [value for part in condition.parts for value in named_values(part, column)]
    by_name = condition.column == column and condition.operator in ("==", "!=", "in", "not in")
    return [*condition.values] if by_name else []
