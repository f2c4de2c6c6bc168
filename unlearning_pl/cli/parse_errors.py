"""Error messages of the command line: the parser's message as one sentence, with the nearest names as the remedy."""

import ast
import inspect
import pkgutil
import re
import textwrap
from types import ModuleType

import torch
from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter
from lightning.pytorch import callbacks, loggers
from typing_extensions import override

from unlearning_pl import data, learners, methods
from unlearning_pl.errors import InputError, suggest_names
from unlearning_pl.training.membership_monitor import MembershipMonitor

_CLASS_OPTIONS: dict[str, tuple[ModuleType, type]] = {
    "model": (learners, learners.Learner),
    "data.source": (data, data.Source),
    "data.views": (data, data.Views),
    "augmentation": (data, data.Views),
    "method": (methods, methods.Unlearner),
    "plugins": (methods, methods.PlugIn),
    "optimizer": (torch.optim, torch.optim.Optimizer),
    "trainer.callbacks": (callbacks, callbacks.Callback),
    "trainer.logger": (loggers, loggers.Logger),
}
"""The module that exports the classes of an option, and their base class."""

_OWN_CALLBACKS: tuple[type, ...] = (MembershipMonitor,)
"""Callbacks of this package that ``trainer.callbacks`` accepts by name beside Lightning's."""


def available_classes(option: str) -> dict[str, type]:
    """Classes that an option accepts by name: all concrete subclasses that the option's module exports.

    Args:
        option: ``model``, ``data.source``, ``data.views``, ``augmentation``, ``method``, ``plugins``, ``optimizer``,
            ``trainer.callbacks`` or ``trainer.logger``.

    Example:
        >>> sorted(available_classes("model"))
        ['BYOL', 'CLIP', 'Classifier', 'MoCo', 'SimCLR']
    """
    module, base = _CLASS_OPTIONS[option]
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    own = {kind.__name__: kind for kind in _OWN_CALLBACKS} if option == "trainer.callbacks" else {}
    excluded = methods.PlugIn if option == "method" else ()  # a plug-in alone is not a method
    return {
        name: value
        for name, value in classes.items()
        if name in module.__all__
        and issubclass(value, base)
        and value is not base
        and not issubclass(value, excluded)
        and not inspect.isabstract(value)
    } | own


class HelpFormatter(DefaultHelpFormatter):
    """Help formatter that keeps the lines of a description, and wraps long ones with a hanging indent."""

    @override
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = []
        for line in text.splitlines():
            name = re.match(r"  \S+\s+", line)
            hanging_indent = indent + " " * (name.end() if name else 0)
            lines.append(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=hanging_indent))
        return "\n".join(lines)


def explain_parse_error(message: str, parser: ArgumentParser) -> str:
    """Turn a parser's error message into one sentence, with the nearest names as the remedy.

    Args:
        message: The message of the parser.
        parser: The parser of the command, whose options are suggested.

    Returns:
        The sentence; the message itself if its form is unknown.

    Example:
        >>> parser = ArgumentParser(prog="unlearning-pl audit")
        >>> _ = parser.add_argument("--model")
        >>> explain_parse_error("unrecognized arguments: --modl x", parser)
        'Expected an option of unlearning-pl audit, got --modl. Did you mean --model?'
    """
    original, message = message, " ".join(message.split())
    if match := re.search(r"unrecognized arguments: (.*)", message):
        words = match[1].split()
        given = next((word.split("=")[0] for word in words if word.startswith("-")), words[0])
        return _unknown_option(given, "--", parser)
    if match := re.search(r"does not accept option '(\S+)'|Key '(\S+)' is not expected", message):
        return _unknown_option(match[1] or match[2], "", parser)
    key = re.search(r'Parser key "([\w.]+)"', message)
    if key is None:
        match = re.match(r"Option '(\S+)' is not accepted", message)
        return _unknown_option(match[1], "", parser) if match else original
    if "Exceeds the limit" in message:  # of Python
        return f"Expected a number as {key[1]}, got one of more than 4300 digits. Correct the value."
    if key[1] == "plugins" and "collections.abc.Sequence" in message and "plugins[" not in message:
        return "Expected one plug-in per option, got a single --plugins. Write --plugins+=NAME, once for each."
    sentence = _unknown_argument(key[1], message) or _unknown_class(key[1], message)
    return sentence or _invalid_value(key[1], message) or original


def _unknown_option(given: str, dashes: str, parser: ArgumentParser) -> str:
    command = parser.prog.replace(" [options]", "")
    options = [option[2:] for option in parser._option_string_actions if option.startswith("--")]
    known = {option for option in options if not option.endswith((".help", "+"))}
    for dot in re.finditer(r"\.", given):  # any part after the name of a class may be an option of that class
        known |= {option.removesuffix("help") + given[dot.end() :] for option in options if option.endswith(".help")}
    return f"Expected an option of {command}, got {given}. " + suggest_names(
        given, [dashes + option for option in sorted(known)], f"Run {command} --help for a list."
    )


def _unknown_argument(key: str, message: str) -> str | None:
    """Message for an argument that a class does not have; None for any other mistake."""
    option = re.search(r"Option '(\S+)' is not accepted", message)
    path = re.search(r"class_path '([\w.]+)'", message) or re.search(r"class_path='([\w.]+)'", message)
    if option is None or path is None:
        return None
    resolved = pkgutil.resolve_name(path[1])
    if key in _CLASS_OPTIONS and resolved is _CLASS_OPTIONS[key][1]:
        return f"Expected --{key} NAME before its options, got {key}.{option[1]} alone. " + suggest_names(
            "", available_classes(key)
        )
    parameters = inspect.signature(resolved).parameters
    names = [name for name, value in parameters.items() if value.kind == value.POSITIONAL_OR_KEYWORD]
    if option[1] in names:  # its value is what the parser does not accept
        return None
    all_names = f"It has {', '.join(names)}." if names else "It has none."
    suggestion = suggest_names(option[1], names, all_names)
    return f"Expected an option of {resolved.__name__} in {key}, got {option[1]}. {suggestion}"


def _invalid_value(key: str, message: str) -> str | None:
    """Message for an invalid value of an option or of an argument of its class; None for any other mistake."""
    argument = re.search(r"NestedArg\(key='(\w+)', val='?([^')]*)'?\)", message)
    if argument is not None:
        return _wrong_type(f"{key}.{argument[1]}", argument[2], message)
    inner = re.findall(r'Parser key "([\w.]+)"', message)[-1]
    given = re.findall(r"(?:Got|Given) value: '?([^'\n]+?)'?(?:\n|$)", message)
    return _wrong_type(key if inner == key else f"{key}.{inner}", given[-1], message) if given else None


def _wrong_type(option: str, given: str, message: str) -> str | None:
    """Message for a value that is neither of some numbers nor words; None where anything else is accepted too."""
    types = re.findall(r"Expected a <class '(?:\w+\.)*(\w+)'>", message)
    literals = re.findall(r"Expected a typing\.Literal\[(.*?)\]", message)
    names = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "text"}
    known = len(re.findall(r"Expected an? ", message)) == len(types) + len(literals)
    if not known or not {*types} <= {*names, "NoneType"}:
        return None
    words = [str(word) for text in literals for word in ast.literal_eval(f"[{text}]")]
    expected = [*(names[name] for name in dict.fromkeys(types) if name in names), *dict.fromkeys(words)]
    remedy = suggest_names(given, words, "Choose one of them.") if words else "Correct the value."
    listed = " or ".join([", ".join(expected[:-1]), expected[-1]] if len(expected) > 1 else expected)
    return f"Expected {listed} as {option}, got {given}. {remedy}" if expected else None


def _unknown_class(key: str, message: str) -> str | None:
    """Message for a name that is not a class; None for any other mistake."""
    if key.startswith("trainer.") and message.count("Parser key") > 1:
        return None  # an argument of a callback or logger is wrong, whose class exists
    reason = re.search(r"class_path '[\w.]+': (No module named '\S+')", message)
    patterns = (
        r"Expected a dot import path string: (\S+)",
        r"class_path '([\w.]+)': (?:No module|module '\S+' has no attribute)",
        r"module '\S+' has no attribute '\w+'. Got value: (\S+)",
        r"does not correspond to a subclass of .*Given value: (\S+)",
    )
    match = next((match for pattern in patterns if (match := re.search(pattern, message))), None)
    if match is None or key not in _CLASS_OPTIONS:
        return None
    given = match[1] + (f" ({reason[1]})" if reason else "")
    return f"Expected a class for {key}, got {given}. " + suggest_names(
        match[1].rpartition(".")[2], available_classes(key)
    )


def find_input_error(error: BaseException | None) -> InputError | ArgumentError | None:
    """Find the input error in the chain of an exception: the parser wraps the exceptions of constructors."""
    while error is not None and not isinstance(error, (InputError, ArgumentError)):
        error = error.__cause__ or error.__context__
    return error
