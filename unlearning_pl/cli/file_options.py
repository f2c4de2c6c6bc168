"""Options of a model that is given as a file of weights: its class, and the size of images that it takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from unlearning_pl.cli.shipped_configs import find_configs
from unlearning_pl.training.model_files import guess_file, model_resize
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
    settings = parse(words)
    resize = model_resize(settings["model"])
    source = (settings["data"].get("source") or {}).get("init_args", {})
    if resize is not None and "image_size" in source and source["image_size"] is None:
        words = [*words, f"--data.source.image_size={write_inline_yaml(asdict(resize))}"]
        notes.append(f"Images: {resize}, as the model's own evaluation transform.")
    return words, notes


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
        help="Architecture of a file of weights, such as timm/NAME, where its tensors do not tell.",
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
