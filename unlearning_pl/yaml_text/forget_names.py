"""Names in a forget request as YAML nodes: text, whatever YAML would make of them."""

import re

import yaml

_FIELD = re.compile(r"(?:.*\.)?forget\.(?:init_args\.)?(classes|ids|file|where|per_class|count|seed)", re.DOTALL)
_STR, _INT, _NULL, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "null", "merge"))
_NONE = ("", "~", "null")  # NULL may be the name of a class


def with_names(node: yaml.Node, key: str) -> yaml.Node:
    """Copy a node so that the names in a forget request are text.

    Below ``forget``, values of ``classes``, ``ids``, ``file`` and ``where`` and the keys of ``per_class`` are text, and
    a single class or id becomes a list of one. Only ``null`` in place of all names keeps its meaning, none.

    Args:
        node: The node.
        key: Where it belongs in a configuration, such as ``data.forget``; empty for a whole configuration.

    Raises:
        yaml.YAMLError: If a number below ``forget`` is written with a leading zero or in parts of sixty.

    Example:
        >>> node = yaml.compose("{classes: 002}", Loader=yaml.SafeLoader)
        >>> yaml.SafeLoader("").construct_document(with_names(node, "forget"))
        {'classes': ['002']}
    """
    match = _FIELD.fullmatch(key)
    field = match[1] if match else None
    if field in ("classes", "ids"):
        return _names(node)
    if field in ("file", "where"):
        return node if _is_none(node) else _text(node)
    if field is not None:
        return _counts(node)
    if isinstance(node, yaml.MappingNode):
        # the keys of a mapping that is merged belong to the mapping that it is merged into
        pairs = [
            (name, with_names(value, key if name.tag == _MERGE else _join(key, name))) for name, value in node.value
        ]
        return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark, node.flow_style)
    if isinstance(node, yaml.SequenceNode):
        values = [with_names(value, key) for value in node.value]
        return yaml.SequenceNode(node.tag, values, node.start_mark, node.end_mark, node.flow_style)
    return node


def _join(key: str, name: yaml.Node) -> str:
    return f"{key}.{name.value}" if key else str(name.value)


def _names(node: yaml.Node) -> yaml.Node:
    if isinstance(node, yaml.ScalarNode) and not _is_none(node):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_text(node)], node.start_mark, node.end_mark)
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_text(name) for name in node.value], node.start_mark, node.end_mark)
    return node


def _counts(node: yaml.Node) -> yaml.Node:
    """Numbers, in a mapping with names as keys."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(name if name.tag == _MERGE else _text(name), _counts(count)) for name, count in node.value]
        return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
    if node.tag == _INT and re.fullmatch(r"[-+]?0[0-9_]+|.*:.*", node.value):
        raise yaml.YAMLError(f"{node.value} as a number, which YAML reads in base 8 or 60; write it without 0 in front")
    return node


def _text(node: yaml.Node) -> yaml.Node:
    return yaml.ScalarNode(_STR, node.value, node.start_mark, node.end_mark) if _is_scalar(node) else node


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _is_none(node: yaml.Node) -> bool:
    return node.tag == _NULL and node.value in _NONE
