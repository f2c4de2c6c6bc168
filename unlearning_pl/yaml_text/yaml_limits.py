"""Limits of a YAML text, checked before anything is built from it."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 100
"""Maximum number of nested lists and mappings; libyaml's recursion would end the process at some 50 000."""
MAX_REPEATED = 100_000
"""Maximum number of values that the aliases of a text stand for; nine short lines can stand for 10^9."""
_MAX_STRINGS = 10
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlLimitError(yaml.YAMLError):
    """The text is YAML that must not be built."""


def check_limits(text: str, within: int = 0) -> None:
    """Check that YAML nests at most :data:`MAX_DEPTH` deep and that its aliases repeat at most :data:`MAX_REPEATED`.

    The same holds for YAML within its strings, since jsonargparse tries to read a string as YAML if it expects no text.

    Args:
        text: Any text; if it is not YAML, the part before the first fault is checked.
        within: Number of strings that the text is within.

    Raises:
        YamlLimitError: If a limit is exceeded, or an alias is within the value that it stands for.

    Example:
        >>> check_limits("[" * 200 + "]" * 200)
        Traceback (most recent call last):
        ...
        unlearning_pl.yaml_text.yaml_limits.YamlLimitError: more than 100 nested lists and mappings
    """
    if within > _MAX_STRINGS:
        raise YamlLimitError(f"more than {_MAX_STRINGS} strings within one another")
    count = _Count()
    with suppress(yaml.scanner.ScannerError, yaml.parser.ParserError, yaml.reader.ReaderError, UnicodeEncodeError):
        for event in yaml.parse(text, Loader=_Loader):
            count.add(event)
            if len(count.open) + count.alias_depth > MAX_DEPTH:
                raise YamlLimitError(f"more than {MAX_DEPTH} nested lists and mappings")
            if count.repeated > MAX_REPEATED:
                raise YamlLimitError(f"aliases that stand for more than {MAX_REPEATED} values")
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_DEPTH and event.value != text:
                check_limits(event.value, within + 1)


@dataclass
class _Count:
    """Values counted so far, where an alias counts as all the values that it stands for.

    Attributes:
        open: Anchor, values before, and depth below, of each collection that has not ended.
        anchored: Number of values and depth of each anchor.
        total: Number of values.
        repeated: Number of values that aliases stand for.
        alias_depth: Depth of the last event's alias.
    """

    open: list[list[Any]] = field(default_factory=list)
    anchored: dict[str | None, tuple[int, int]] = field(default_factory=dict)
    total: int = 0
    repeated: int = 0
    alias_depth: int = 0

    def add(self, event: yaml.Event) -> None:
        self.alias_depth = 0
        if isinstance(event, yaml.AliasEvent):
            self._add_alias(event.anchor)
        elif isinstance(event, yaml.ScalarEvent):
            self.total += 1
            self.anchored[event.anchor] = (1, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.total += 1
            self.open.append([event.anchor, self.total, 0])
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, below = self.open.pop()
            self.anchored[anchor] = (self.total - before + 1, below + 1)
            self._deepen(below + 1)

    def _add_alias(self, anchor: str | None) -> None:
        if any(anchor == name for name, _, _ in self.open):
            raise YamlLimitError(f"the alias *{anchor} within the value that it stands for")
        values, depth = self.anchored.get(anchor, (0, 0))
        self.total += values
        self.repeated += values
        self.alias_depth = depth
        self._deepen(depth)

    def _deepen(self, depth: int) -> None:
        if self.open:
            self.open[-1][2] = max(self.open[-1][2], depth)
