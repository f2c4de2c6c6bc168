"""The command ``import``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.cli.instantiated_model import instantiate_for_file
from unlearning_pl.commands.last_lines import LastLines, next_command
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.sources.left_out import shorten_list
from unlearning_pl.distributed.launchers import require_single_process
from unlearning_pl.errors import require, shown
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.report.terminal import open_console
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training.import_run import import_run, require_weights_file
from unlearning_pl.training.match_weights import COUNTER, MatchedWeights

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
    require_weights_file(file)
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
    require_single_process()
    console = open_console(width=100)
    plain: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
    cli, notes = instantiate_for_file(file, words)
    for note in notes:
        console.print(note, **plain)
    trainer: Any = cli.trainer
    run: Path = trainer.run_folder
    matched = import_run(file, run, cli.model, cli.datamodule, trainer.configuration, command, trainer.overwrite)
    for note in _notes(cli.model, cli.datamodule, matched):
        console.print(note, **plain)
    return run, f"{run}, with the weights of {file} (names: {matched.key_map.name})"


def _notes(learner: Learner, data: UnlearningData, matched: MatchedWeights) -> list[str]:
    """What the file does not hold or does not tell, a sentence each."""
    source, notes = data.source, []
    if matched.left_out:
        rest = f"{pluralize(len(matched.left_out), 'tensor')}, first {shown(matched.left_out[0])}"
        notes.append(f"Left out, as no part of the model: {rest}.")
    missing = [name for name in matched.added if not name.endswith(COUNTER)]
    if missing:
        notes.append(f"Not in the file: {', '.join(missing)}, which starts with random values.")
    if learner.pixels is None:
        mean, std = ([round(value, 3) for value in values] for values in (source.mean, source.std))
        notes.append(f"Normalisation: mean {mean}, deviation {std}, of {type(source).__name__}; the file has none.")
    if isinstance(learner, Classifier):
        names, scores = data.class_names, learner.num_classes
        more = "" if len(names) == scores else f", of {scores} that the model has: the others are of no image"
        notes.append(f"Classes: {shorten_list(names)}, in the order of the model's scores{more}.")
    return notes
