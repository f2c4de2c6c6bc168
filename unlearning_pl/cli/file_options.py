"""Options of a model that is given as a file of weights: its class, and the size of images that it takes."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from unlearning_pl.cli.shipped_configs import find_configs
from unlearning_pl.learners import CLIP, Learner
from unlearning_pl.training.model_files import guess_file, model_resize, published_apart
from unlearning_pl.yaml_text.yaml_settings import read_yaml, write_inline_yaml


def complete_options(
    file: Path, words: list[str], parse: Callable[[list[str]], Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Options of a training command with the model guessed, and with the size of images that the model takes.

    Args:
        file: Weights.
        words: The user's options.
        parse: Gives the settings of options.

    Returns:
        The options, and a sentence on each that was added.

    Raises:
        InputError: If no model is given and none can be guessed.
    """
    notes = []
    if not names_model(words):
        guessed = guess_file(file).guessed
        words = ["--config", write_inline_yaml({"model": guessed.settings()}), *words]
        notes.append(f"Model: {guessed}, by the names and shapes of its tensors.")
        notes += _unknown_temperature(guessed.learner, words)
    options, more = _follow_model(parse(words))
    return [*words, *options], [*notes, *more]


def _follow_model(settings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Options with which images are resized as the model's library does, and sentences on its images."""
    resize, (name, source) = model_resize(settings["model"]), _innermost_source(settings["data"])
    apart = published_apart(settings["model"])
    notes = [f"Weights published as {', '.join(apart)} take other images; these get OpenAI's."] if apart else []
    if resize is None or not source:
        return [], notes
    size = source.get("init_args", {}).get("image_size", "its own")
    if size is None:
        option = f"--{name}.image_size={write_inline_yaml(asdict(resize))}"
        return [option], [f"Images: {resize}, as the model's own evaluation transform.", *notes]
    if size == asdict(resize):
        return [], notes
    kind = source["class_path"].rpartition(".")[2]
    return [], [f"Images: {kind} with image_size {size}; the model's own evaluation transform is {resize}.", *notes]


def _innermost_source(data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and settings of the source of the images, which others may wrap to add captions or metadata."""
    name, source = "data.source", data.get("source") or {}
    while isinstance(inner := (source.get("init_args") or {}).get("source"), Mapping):
        name, source = f"{name}.source", inner
    return name, source


def _unknown_temperature(learner: type[Learner], words: Sequence[str]) -> list[str]:
    """A sentence on the temperature of a loss that a file does not hold; none if an option gives it."""
    parameter = inspect.signature(learner).parameters.get("temperature")
    given = any(word.partition("=")[0] == "--model.temperature" for word in words)
    if parameter is None or given or learner is CLIP:  # CLIP's is a weight
        return []
    return [f"Temperature of the loss: {parameter.default}, as the file has none; --model.temperature gives another."]


def add_architecture(parser: ArgumentParser) -> None:
    """Add the option that names the architecture of a file of weights.

    Example:
        >>> add_architecture(parser := ArgumentParser())
        >>> parser.parse_args(["--architecture", "timm/resnet18"]).architecture
        'timm/resnet18'
    """
    parser.add_argument(
        "--architecture",
        type=str | None,
        default=None,
        help="Architecture of a file of weights, such as timm/NAME or ViT-B-32, where its tensors do not tell.",
    )


def names_model(words: Sequence[str]) -> bool:
    """Whether options, or a file of settings among them, name a learner.

    Example:
        >>> names_model(["--model", "SimCLR"]), names_model(["--model.backbone", "resnet18"])
        (True, False)
    """
    if any(word.split("=")[0] == "--model" for word in words):
        return True
    words = find_configs(words)
    pairs = zip(words, [*words[1:], ""], strict=True)
    given = [word.partition("=")[2] or after for word, after in pairs if word.split("=")[0] in ("--config", "-c")]
    return any("model" in _settings(name) for name in given)


def _settings(config: str) -> dict[str, Any]:
    """Settings of a file, or of YAML in its place; none if it cannot be read, which the parser reports."""
    is_text = config.startswith("{") or ": " in config
    try:
        settings = read_yaml(config if is_text else Path(config).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return settings if isinstance(settings, dict) else {}
