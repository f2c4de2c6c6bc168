"""The command ``import``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from typing_extensions import override

from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.commands.last_lines import LastLines, next_command
from unlearning_pl.errors import require
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.learners.open_clip_towers import SLIM, tower_settings
from unlearning_pl.report.terminal import open_console
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training.guess_model import guess_model
from unlearning_pl.training.import_run import import_run
from unlearning_pl.training.read_tensors import read_tensors
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.yaml_text.yaml_settings import read_yaml, write_inline_yaml

HELP = """usage: unlearning-pl import FILE [--run FOLDER] [--model CLASS ...] --data.source CLASS ... [options of fit]

Put the weights of a file into a run folder, bit for bit, so that every command can start from them.

  FILE              a checkpoint of torch or safetensors: of torchvision, timm, solo-learn, lightly, MoCo, open_clip
  --run FOLDER      the run folder, runs/original by default
  --model CLASS     the learner; without it, the model is guessed by the names and shapes of its tensors
  --data...         the images that it was trained on, as in fit; image_size follows the model where none is given
  --overwrite       replace the run that the folder holds

All options of fit are accepted: they become the run's configuration, with which a retrained reference can be trained.
"""


class _ImportCLI(UnlearningCLI):
    """Instantiates model and data, and trains nothing."""

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        pass


def import_weights(args: list[str]) -> LastLines | None:
    """Run the command ``import``."""
    if not args or {"-h", "--help"} & {*args}:
        open_console().print(HELP, highlight=False, markup=False, soft_wrap=True)
        return None
    file, words = Path(args[0]).expanduser(), args[1:]
    require(
        not args[0].startswith("-"), f"Expected a file of weights first, got {args[0]}. Give import FILE [options]."
    )
    require(
        file.is_file(), f"Expected a file of weights, got {file}, which is none. Give a .pt, .ckpt or .safetensors."
    )
    console = open_console(width=100)
    plain: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
    words, notes = complete_options(file, words)
    for note in notes:
        console.print(note, **plain)
    cli = run_training_command(["fit", *words], _ImportCLI)
    trainer: Any = cli.trainer
    command = ["unlearning-pl", "import", *args]
    matched = import_run(
        file, trainer.run_folder, cli.model, cli.datamodule, trainer.configuration, command, trainer.overwrite
    )
    if matched.left_out:
        rest = f"{pluralize(len(matched.left_out), 'tensor')}, first {matched.left_out[0]}"
        console.print(f"Left out, as no part of the model: {rest}.", **plain)
    run = str(trainer.run_folder)
    hint = next_command("unlearn", "--original", run, "--method", "NegGradPlus", "--forget.file", "ids.txt")
    return LastLines(f"Run: {run}, with the weights of {file} (names: {matched.key_map.name})", hint)


def complete_options(file: Path, words: list[str]) -> tuple[list[str], list[str]]:
    """Options of ``fit`` with the model guessed, and with the size of images that the model takes.

    Args:
        file: Weights.
        words: The user's options.

    Returns:
        The options, and a sentence on each that was added.

    Raises:
        InputError: If the options cannot be parsed, or no model is given and none can be guessed.
    """
    notes = []
    if not _names_model(words):
        guessed = guess_model(find_state_dict(read_tensors(file), file), str(file))
        words = ["--config", write_inline_yaml({"model": guessed.settings()}), *words]
        notes.append(f"Model: {guessed}, by the names and shapes of its tensors.")
    settings = configuration(["fit", *words])
    resize = model_resize(settings["model"])
    source = (settings["data"].get("source") or {}).get("init_args", {})
    if resize is not None and "image_size" in source and source["image_size"] is None:
        words = [*words, f"--data.source.image_size={write_inline_yaml(asdict(resize))}"]
        notes.append(f"Images: {resize}, as the model's own evaluation transform.")
    return words, notes


def model_resize(model: Mapping[str, Any]) -> Resize | None:
    """How a model's images are resized, given its settings; None if its library does not say.

    Example:
        >>> str(model_resize({"class_path": "Classifier", "init_args": {"backbone": "torchvision/resnet50"}}))
        'shorter side 232, bilinear, centre 224'
    """
    arguments = model.get("init_args") or {}
    if model["class_path"].rpartition(".")[2] == "CLIP":
        size = arguments.get("image_size") or tower_settings(arguments["model"])["vision_cfg"].get("image_size", 224)
        return None if arguments["model"] in SLIM else Resize(size, size, "bicubic")
    library = library_model(str(arguments.get("backbone", "")))
    return None if library is None or library.preprocessing is None else library.preprocessing.resize


def _names_model(words: Sequence[str]) -> bool:
    """Whether options, or a file of settings among them, name a learner."""
    if any(word.split("=")[0] == "--model" for word in words):
        return True
    pairs = zip(words, [*words[1:], ""], strict=True)
    given = [word.partition("=")[2] or after for word, after in pairs if word.split("=")[0] in ("--config", "-c")]
    files = [Path(name).expanduser() for name in given if Path(name).expanduser().is_file()]
    return any("model" in (read_yaml(path.read_text(encoding="utf-8")) or {}) for path in files)
