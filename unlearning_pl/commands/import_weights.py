"""The command ``import``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.cli.instantiated_model import instantiate_for_file
from unlearning_pl.commands.last_lines import LastLines, next_command
from unlearning_pl.errors import require
from unlearning_pl.report.terminal import open_console
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training.import_run import import_run

HELP = """usage: unlearning-pl import FILE [--run FOLDER] [--model CLASS ...] --data.source CLASS ... [options of fit]

Put the weights of a file into a run folder, bit for bit, so that every command can start from them.

  FILE              a checkpoint of torch or safetensors: of torchvision, timm, solo-learn, lightly, MoCo, open_clip;
                    or a folder of transformers, as save_pretrained writes it
  --run FOLDER      the run folder, runs/original by default
  --model CLASS     the learner; without it, the model is guessed by the names and shapes of its tensors
  --data...         the images that it was trained on, as in fit; image_size follows the model where none is given
  --overwrite       replace the run that the folder holds

All options of fit are accepted: they become the run's configuration, with which a retrained reference can be trained.
"""


def import_weights(args: list[str]) -> LastLines:
    """Run the command ``import``."""
    if not args or {"-h", "--help"} & {*args}:
        open_console().print(HELP, highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(0)  # as the parsers of the other commands do
    file, words = Path(args[0]).expanduser(), args[1:]
    require(
        not args[0].startswith("-"), f"Expected a file of weights first, got {args[0]}. Give import FILE [options]."
    )
    require(
        file.is_file(), f"Expected a file of weights, got {file}, which is none. Give a .pt, .ckpt or .safetensors."
    )
    run, sentence = import_file(file, words, ["unlearning-pl", "import", *args])
    hint = next_command("unlearn", "--original", str(run), "--method", "NegGradPlus", "--forget.file", "ids.txt")
    return LastLines(f"Run: {sentence}", hint)


def import_file(file: Path, words: list[str], command: Sequence[str]) -> tuple[Path, str]:
    """Put the weights of a file into a run folder, and print what was guessed.

    Args:
        file: Weights.
        words: Options of ``fit``.
        command: Command line of the record.

    Returns:
        The run folder, and a phrase that names it and its weights.

    Raises:
        InputError: As for :func:`~unlearning_pl.training.import_run.import_run`.
    """
    console = open_console(width=100)
    plain: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
    cli, notes = instantiate_for_file(file, words)
    for note in notes:
        console.print(note, **plain)
    trainer: Any = cli.trainer
    run: Path = trainer.run_folder
    matched = import_run(file, run, cli.model, cli.datamodule, trainer.configuration, command, trainer.overwrite)
    if matched.left_out:
        rest = f"{pluralize(len(matched.left_out), 'tensor')}, first {matched.left_out[0]}"
        console.print(f"Left out, as no part of the model: {rest}.", **plain)
    return run, f"{run}, with the weights of {file} (names: {matched.key_map.name})"
