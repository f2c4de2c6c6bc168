"""What a mistake on the command line probably meant: the parser's message as one sentence with the nearest names."""

import inspect
import pkgutil
import re
import textwrap
from types import ModuleType

import torch
from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter
from typing_extensions import override

from unlearning_pl import data, learners, methods
from unlearning_pl.errors import InputError, nearest

_KINDS: dict[str, tuple[ModuleType, type]] = {
    "model": (learners, learners.Learner),
    "data.source": (data, data.Source),
    "data.views": (data, data.Views),
    "augmentation": (data, data.Views),
    "method": (methods, methods.Unlearner),
    "plugins": (methods, methods.PlugIn),
    "optimizer": (torch.optim, torch.optim.Optimizer),
}
"""Where the classes of an option are exported, and what they are kinds of."""


def choices(option: str) -> dict[str, type]:
    """The classes that an option takes by name; a new export is among them by itself.

    Args:
        option: ``model``, ``data.source``, ``data.views``, ``augmentation``, ``method``, ``plugins`` or ``optimizer``.

    Example:
        >>> sorted(choices("model"))
        ['BYOL', 'CLIP', 'Classifier', 'MoCo', 'SimCLR']
    """
    module, base = _KINDS[option]
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    barred = methods.PlugIn if option == "method" else ()  # a plug-in is no method of its own
    return {
        name: value
        for name, value in classes.items()
        if name in module.__all__
        and issubclass(value, base)
        and value is not base
        and not issubclass(value, barred)
        and not inspect.isabstract(value)
    }


def list_methods() -> str:
    """All methods and plug-ins, a line each: the name and the first line of the docstring.

    Example:
        >>> "  FineTune" in list_methods()
        True
    """
    lines = []
    for title, option in (("Methods, --method NAME:", "method"), ("Plug-ins, --plugins+=NAME:", "plugins")):
        found = choices(option)
        width = max(map(len, found), default=0)
        lines += [title, *(f"  {name:{width}}  {_first_line(found[name])}" for name in found), ""]
    return "\n".join(lines[:-1])


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


class HelpFormatter(DefaultHelpFormatter):
    """Help whose description keeps its lines; one that is too long goes on under its own words."""

    @override
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = []
        for line in text.splitlines():
            name = re.match(r"  \S+\s+", line)
            hang = indent + " " * (name.end() if name else 0)
            lines.append(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=hang))
        return "\n".join(lines)


def explain_parse_error(message: str, parser: ArgumentParser) -> str:
    """Say what a parser's message is about in one sentence, with the nearest names.

    Args:
        message: What the parser said.
        parser: The parser of the command, whose options are compared.

    Returns:
        The sentence; the message itself where there is nothing to compare.

    Example:
        >>> parser = ArgumentParser(prog="unlearning-pl audit")
        >>> _ = parser.add_argument("--model")
        >>> explain_parse_error("unrecognized arguments: --modl x", parser)
        'Expected an option of unlearning-pl audit, got --modl. Did you mean --model?'
    """
    told, message = message, " ".join(message.split())
    if found := re.search(r"unrecognized arguments: (.*)", message):
        words = found[1].split()
        given = next((word.split("=")[0] for word in words if word.startswith("-")), words[0])
        return _option(given, "--", parser)
    if found := re.search(r"does not accept option '(\S+)'|Key '(\S+)' is not expected", message):
        return _option(found[1] or found[2], "", parser)
    key = re.search(r'Parser key "([\w.]+)"', message)
    if key is None:
        found = re.match(r"Option '(\S+)' is not accepted", message)
        return _option(found[1], "", parser) if found else told
    if key[1] == "plugins" and "collections.abc.Sequence" in message and "plugins[" not in message:
        return "Expected plug-ins one by one, got a single --plugins. Write --plugins+=NAME, once for each."
    return _init_arg(key[1], message) or _class(key[1], message) or _value(key[1], message) or told


def _option(given: str, dashes: str, parser: ArgumentParser) -> str:
    command = parser.prog.replace(" [options]", "")
    options = [option[2:] for option in parser._option_string_actions if option.startswith("--")]
    known = {option for option in options if not option.endswith((".help", "+"))}
    for cut in re.finditer(r"\.", given):  # what follows the name of a class is an option of that class
        known |= {option.removesuffix("help") + given[cut.end() :] for option in options if option.endswith(".help")}
    return f"Expected an option of {command}, got {given}. " + nearest(
        given, [dashes + option for option in sorted(known)], f"{command} --help lists them."
    )


def _init_arg(key: str, message: str) -> str | None:
    """The sentence on an option that a class does not take."""
    option = re.search(r"Option '(\S+)' is not accepted", message)
    path = re.search(r"class_path '([\w.]+)'", message) or re.search(r"class_path='([\w.]+)'", message)
    if option is None or path is None:
        return None
    taken = pkgutil.resolve_name(path[1])
    if key in _KINDS and taken is _KINDS[key][1]:
        return f"Expected --{key} NAME before its options, got {key}.{option[1]} alone. " + nearest("", choices(key))
    names = [
        name for name, value in inspect.signature(taken).parameters.items() if value.kind == value.POSITIONAL_OR_KEYWORD
    ]
    listed = f"It has {', '.join(names)}." if names else "It has none."
    return f"Expected an option of {taken.__name__} in {key}, got {option[1]}. " + nearest(option[1], names, listed)


def _value(key: str, message: str) -> str | None:
    """The sentence on a value that an option of a class does not take."""
    wrong = re.search(r"NestedArg\(key='(\w+)', val='?([^')]*)'?\)", message)
    if wrong is not None:
        return _kind(f"{key}.{wrong[1]}", wrong[2], message)
    inner = re.findall(r'Parser key "([\w.]+)"', message)[-1]
    given = re.findall(r"(?:Got|Given) value: '?([^'\n]+?)'?(?:\n|$)", message)
    return _kind(f"{key}.{inner}", given[-1], message) if given and inner != key else None


def _kind(option: str, given: str, message: str) -> str | None:
    kinds = re.findall(r"Expected a <class '(?:\w+\.)*(\w+)'>", message)
    allowed = [word for text in re.findall(r"Literal\[(.*?)\]", message) for word in re.findall(r"[\w.]+", text)]
    names = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "text"}
    wanted = [*(names[kind] for kind in dict.fromkeys(kinds) if kind in names), *dict.fromkeys(allowed)]
    remedy = nearest(given, allowed) if allowed else "Correct the value."
    return f"Expected {' or '.join(wanted)} as {option}, got {given}. {remedy}" if wanted else None


def _class(key: str, message: str) -> str | None:
    """The sentence on a name that is no class."""
    why = re.search(r"class_path '[\w.]+': (No module named '\S+')", message)
    forms = (
        r"Expected a dot import path string: (\S+)",
        r"class_path '([\w.]+)': (?:No module|module '\S+' has no attribute)",
        r"module '\S+' has no attribute '\w+'. Got value: (\S+)",
        r"does not correspond to a subclass of .*Given value: (\S+)",
    )
    found = next((found for form in forms if (found := re.search(form, message))), None)
    if found is None or key not in _KINDS:
        return None
    given = found[1] + (f" ({why[1]})" if why else "")
    return f"Expected a class for {key}, got {given}. " + nearest(found[1].rpartition(".")[2], choices(key))


def find_input_error(error: BaseException | None) -> InputError | ArgumentError | None:
    """The user's mistake behind an error: the parser wraps what a constructor says."""
    while error is not None and not isinstance(error, (InputError, ArgumentError)):
        error = error.__cause__ or error.__context__
    return error
