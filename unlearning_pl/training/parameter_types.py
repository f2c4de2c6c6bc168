"""Types of the parameters of a class, as far as they decide what the parser does with a text."""

import inspect
from collections.abc import Callable, Collection, Mapping
from datetime import date, time, timedelta
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

UNKNOWN: frozenset[Any] = frozenset({Callable})
"""Types of a parameter that no signature names: any of them may be meant."""

_TEXTS = (str, bytes, int, float, complex, NoneType, PurePath, Enum, date, time, timedelta)
_UNTYPED = (Any, object, inspect.Parameter.empty)


def parameter_types(kind: Any) -> Mapping[str, frozenset[Any]]:
    """Types of each parameter of a class, its base classes included, or of a function; none if it has no signature.

    Containers are left out: a list of classes counts like a class.

    Example:
        >>> def train(epochs: int, sizes: list[int] | None = None, other=None): ...
        >>> sorted(kind.__name__ for kind in parameter_types(train)["sizes"])
        ['NoneType', 'int']
    """
    types: dict[str, frozenset[Any]] = {}
    constructors = [vars(one).get("__init__") for one in reversed(kind.__mro__)] if inspect.isclass(kind) else [kind]
    for constructor in constructors:
        if not inspect.isfunction(constructor) and not inspect.ismethod(constructor):
            continue
        try:
            hints = get_type_hints(constructor, include_extras=True)
        except Exception:  # a hint that only type checkers can read: nothing is known
            hints = None
        own = [*inspect.signature(constructor).parameters.items()]
        for name, parameter in own[1:] if inspect.isclass(kind) else own:  # without self
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                types[name] = UNKNOWN if hints is None else leaf_types(hints.get(name, Any))
    return types


def leaf_types(hint: Any) -> frozenset[Any]:
    """The types in a type hint, without its containers and unions.

    Example:
        >>> sorted(kind.__name__ for kind in leaf_types(dict[str, list[bool] | None]))
        ['NoneType', 'bool', 'str']
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return frozenset({str})
    if origin is Annotated:
        return leaf_types(arguments[0])
    if origin in (Callable, type):
        return frozenset({origin})
    if origin is not None:
        container = origin in (Union, UnionType) or origin.__module__ in ("builtins", "collections", "collections.abc")
        parts = [leaf_types(argument) for argument in arguments if argument is not ...]
        return frozenset().union(*parts, () if container else {origin})
    if inspect.isclass(hint) and issubclass(hint, Collection) and not issubclass(hint, _TEXTS):
        return (
            frozenset({Any}) if hint.__module__ in ("builtins", "collections", "collections.abc") else frozenset({hint})
        )
    if hint is None:
        return frozenset({NoneType})
    return frozenset({hint}) if inspect.isclass(hint) or hint in _UNTYPED else UNKNOWN


def is_text(types: Collection[Any]) -> bool:
    """Whether the parser keeps a text, or converts it to a number, a path or a time.

    Example:
        >>> is_text({str, NoneType}), is_text({str, Exception})
        (True, False)
    """
    return all(inspect.isclass(kind) and issubclass(kind, _TEXTS) for kind in types)


def classes(types: Collection[Any]) -> list[type]:
    """Those of the types that are classes whose instances the parser builds.

    Example:
        >>> classes({str, Any, Callable, Exception})
        [<class 'Exception'>]
    """
    others = (*_UNTYPED, Callable, type)
    return [kind for kind in types if inspect.isclass(kind) and kind not in others and not is_text({kind})]


def is_untyped(types: Collection[Any]) -> bool:
    """Whether a parameter has no type at all, alone or beside texts.

    Example:
        >>> is_untyped({str, Any}), is_untyped({str})
        (True, False)
    """
    others = [kind for kind in types if not is_text({kind})]
    return bool(others) and all(kind in _UNTYPED for kind in others)
