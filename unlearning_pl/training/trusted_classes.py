"""Classes that the configuration of a run may name: those of this package, and those that the user allows.

A configuration that a command reads is a stranger's: whatever it names would be imported and called with arguments of
the stranger's choice. The checks here read the names alone; a module is imported only if the user allows it.
"""

import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from unlearning_pl.data import Source, Views
from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.learners import Learner
from unlearning_pl.training.parameter_types import UNKNOWN, classes, is_text, is_untyped, parameter_types
from unlearning_pl.training.parser_mode import load_settings

PACKAGE = "unlearning_pl"
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_BASES = (Learner, Source, Views)
"""Classes of this package that a parameter of no known type may get."""


def check_classes(settings: Any, expected: type, allow: Sequence[str], place: str | Path) -> None:
    """Check that settings name classes of this package alone, or those that the user allows, at any depth.

    Args:
        settings: The settings of a class, or a list of those, as read from YAML.
        expected: The class whose subclass, or whose arguments, the settings are.
        allow: Packages, modules or classes that the user allows.
        place: The file, for the message.

    Raises:
        InputError: If they name another class; nothing of it has been imported.

    Example:
        >>> check_classes({"class_path": "my_package.Net"}, Learner, [], "runs/a/config.yaml")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected classes of unlearning_pl in runs/a/config.yaml, got my_package.Net...
    """
    for name in allow:
        require(
            _NAME.fullmatch(name) is not None,
            f"Expected the name of a package or a class as --allow, got {name!r}. Write it as in an import.",
        )
    foreign = next(foreign_names(settings, expected, allow), None)
    if foreign is not None:
        raise InputError(f"Expected classes of {PACKAGE} in {place}, got {shown(foreign)}. {_remedy(foreign, allow)}")


def foreign_names(settings: Any, expected: type, allow: Sequence[str] = ()) -> Iterator[str]:
    """Names of classes and functions in settings that are neither this package's nor allowed.

    Example:
        >>> [*foreign_names({"class_path": "my_package.Net"}, Learner)]
        ['my_package.Net']
        >>> [*foreign_names({"class_path": "my_package.Net"}, Learner, ["my_package"])]
        []
    """
    yield from _foreign(settings, frozenset({expected}), allow)


def _foreign(value: Any, types: frozenset[Any], allow: Sequence[str]) -> Iterator[str]:
    """Foreign names in the value of a parameter of these types."""
    if isinstance(value, str):
        yield from _foreign_text(value, types, allow)
    elif isinstance(value, Mapping):
        if "class_path" in value:
            yield from _foreign_class(value, types, allow)
        else:
            known = [parameter_types(kind) for kind in classes(types)]
            for key, item in value.items():
                found = [names[key] for names in known if key in names]
                yield from _foreign(item, frozenset().union(*found) if found else types, allow)
    elif isinstance(value, Collection) and not isinstance(value, bytes):
        for item in value:
            yield from _foreign(item, types, allow)


def _foreign_class(spec: Mapping[str, Any], types: frozenset[Any], allow: Sequence[str]) -> Iterator[str]:
    name = spec["class_path"]
    if not isinstance(name, str) or not _is_trusted(name, types, allow):
        yield name if isinstance(name, str) else f"<{type(name).__name__}>"
        return
    parameters = parameter_types(_own_class(name, types) or _allowed_object(name))
    for key, item in spec.items():
        if key in ("init_args", "dict_kwargs") and isinstance(item, Mapping):
            for argument, part in item.items():
                yield from _foreign(part, parameters.get(argument, UNKNOWN), allow)
        elif key != "class_path":
            yield from _foreign(item, UNKNOWN, allow)


def _foreign_text(text: str, types: frozenset[Any], allow: Sequence[str]) -> Iterator[str]:
    """A text is imported for a parameter of a class or a function, and parsed as YAML for one of no type."""
    if is_text(types):
        return
    if is_untyped(types):
        try:
            parsed = load_settings(text)  # the parser's own, or the two could read different settings
        except Exception:  # whatever its kind, nothing was checked
            yield text
            return
        if not isinstance(parsed, str):
            yield from _foreign(parsed, types, allow)
        return
    word = re.fullmatch(r"[\w-]+", text) is not None and not Path(text).exists()  # the parser would read such a file
    if not word and not _is_trusted(text, types, allow):
        yield text


def _is_trusted(name: str, types: frozenset[Any], allow: Sequence[str]) -> bool:
    if _own_class(name, types) is not None or name in allow:
        return True
    entries = [entry for entry in allow if name.startswith(f"{entry}.")]
    if name.partition(".")[0] == PACKAGE or not entries:
        return False
    found = _allowed_object(name)  # one that such a module has only imported, as my_package.os.system, is another's
    origin = f"{getattr(found, '__module__', None)}."
    return found is None or any(origin.startswith(f"{entry}.") for entry in entries)


def _own_class(name: str, types: frozenset[Any]) -> type | None:
    """The class of this package, by its path or its bare name; without an import of the module that the path names."""
    bases = tuple(classes(types)) or _BASES
    if "." not in name:
        own = (kind for kind in _subclasses(bases) if kind.__module__.startswith(f"{PACKAGE}."))
        return next((kind for kind in own if kind.__name__ == name), None)
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] != PACKAGE:
        return None
    found = getattr(sys.modules.get(module), attribute, None)
    if not inspect.isclass(found) or not found.__module__.startswith(f"{PACKAGE}."):
        return None
    return found if issubclass(found, bases) else None


def _subclasses(bases: Sequence[type]) -> Iterator[type]:
    for base in bases:
        yield base
        yield from _subclasses(type.__subclasses__(base))


def _allowed_object(name: str) -> Any:
    """Import a class or function of a module that the user allows; None if there is none, as the parser will report.

    It is what the parser finds too: an attribute of a module or, where there is no such module, of a module's class.
    """
    parent, _, attribute = name.rpartition(".")
    module, _, outer = parent.rpartition(".")
    try:
        found: Any = import_module(parent)
    except ModuleNotFoundError:
        try:
            found = getattr(import_module(module), outer, None) if module else None
        except ModuleNotFoundError:
            return None
    return getattr(found, attribute, None)


def _remedy(name: str, allow: Sequence[str]) -> str:
    package = name.partition(".")[0]
    if package == PACKAGE or package in sys.stdlib_module_names or not _NAME.fullmatch(name):
        return "Do not use this run unless you know why: no learner, source or views have that name."
    return f"Add --allow {name if package in allow else package} if you trust it."
