"""Settings as YAML: read with names as text, and written so that they are read back as they are."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from unlearning_pl.yaml_text.forget_names import with_names
from unlearning_pl.yaml_text.yaml_limits import check_limits

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FLOAT = re.compile(
    r"""(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |\.[0-9_]+(?:[eE][-+][0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_FLOAT_TAG, _TIMESTAMP_TAG, _MERGE_TAG = (f"tag:yaml.org,2002:{name}" for name in ("float", "timestamp", "merge"))
_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What PyYAML raises for a value of the wrong kind, such as ``!!bool maybe``."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202f-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def read_yaml(text: str, key: str = "") -> Any:
    """Read settings in YAML or JSON.

    What a forget request asks for is text, see :func:`~unlearning_pl.yaml_text.forget_names.with_names`. Everything
    else has the types of YAML 1.1, except that, as in jsonargparse, 1e3 is a number and a date is text.

    Args:
        text: One document.
        key: Where its value belongs in a configuration, such as ``data.forget`` or ``forget.classes``.

    Raises:
        yaml.YAMLError: If the text is not YAML, has a key twice in one mapping, or exceeds the limits of
            :func:`~unlearning_pl.yaml_text.yaml_limits.check_limits`.

    Example:
        >>> read_yaml("{forget: {classes: [002, yes], seed: 2}, other: [002, yes]}")
        {'forget': {'classes': ['002', 'yes'], 'seed': 2}, 'other': [2, True]}
        >>> read_yaml("{010: 5}", "forget.per_class")
        {'010': 5}
    """
    check_limits(text)
    try:
        loader = _Loader(text)
    except UnicodeEncodeError as error:  # bytes of a command line or a file name that are no UTF-8
        raise yaml.YAMLError("text that is not UTF-8") from error
    try:
        node = loader.get_single_node()
        return None if node is None else loader.construct_document(with_names(node, key))
    except _FAULTS as error:
        raise yaml.YAMLError(f"a value that does not fit its tag ({type(error).__name__})") from error
    finally:
        loader.dispose()


def describe_fault(error: Exception) -> str:
    """What is wrong with YAML and where, on one line.

    Example:
        >>> try:
        ...     read_yaml("{a: 1, a: 2}")
        ... except yaml.YAMLError as error:
        ...     describe_fault(error)
        'a twice at line 1, column 8'
    """
    return " ".join(str(error).split()).replace('in "<unicode string>", line', "at line")


def write_yaml(settings: Any) -> str:
    """Write settings as YAML, one a line; every YAML parser reads the same text and numbers back.

    Example:
        >>> print(write_yaml({"classes": ["002", "1e3", "cat"]}), end="")
        classes:
        - '002'
        - '1e3'
        - cat
    """
    return str(yaml.dump(settings, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=False))


def write_inline_yaml(settings: Any) -> str:
    """Write settings on one line of ASCII: JSON, but for characters beyond U+FFFF, whose escapes YAML cannot read.

    Example:
        >>> write_inline_yaml({"classes": ["002", "cat"], "count": None})
        '{"classes": ["002", "cat"], "count": null}'
    """
    text = yaml.dump(settings, Dumper=_InlineDumper, width=float("inf"), sort_keys=False, default_flow_style=True)
    return str(text).removesuffix("\n").removesuffix("\n...")


class _Loader(_Base):  # type: ignore[misc]
    """Loader that refuses duplicate keys, where YAML would silently use the last one."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _FAULTS as error:  # of PyYAML's constructors, for a value that its tag does not fit
            value = _shorten(node.value) if isinstance(node, yaml.ScalarNode) else "a value"
            reason = f"{value or 'nothing'} as {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        pairs = node.value if isinstance(node, yaml.MappingNode) else []  # PyYAML names another node
        for name in (name for name, _ in pairs if name.tag != _MERGE_TAG):
            key = self.construct_object(name, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{_shorten(key)} twice", name.start_mark)
                seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_number(self, node: yaml.ScalarNode) -> int:
        try:
            return int(self.construct_yaml_int(node))
        except ValueError as error:  # Python's limit on the digits of a number
            reason = f"a number of {len(node.value)} characters"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark) from error


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes all text that a parser of YAML 1.1 or jsonargparse would read as something else."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        # The other styles would fold the line separators of Unicode
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"' if _UNPRINTABLE.search(text) else None)


class _InlineDumper(_Dumper):
    """Dumper that quotes all text."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"')

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _shorten(key: Hashable) -> str:
    text = str(key)
    return text if len(text) <= 100 else f"{text[:97]}..."


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in (_FLOAT_TAG, _TIMESTAMP_TAG)]
    for letter, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))
for _dumper in (_Dumper, _InlineDumper):
    _dumper.add_representer(str, _dumper.represent_text)
