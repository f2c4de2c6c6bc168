"""The commands of Lightning's trainer: ``fit``, ``unlearn``, ``validate``, ``test`` and ``predict``."""

from pathlib import Path

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.commands.last_lines import LastLines, allow_words, next_command
from unlearning_pl.commands.printable_output import make_printable
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.training import runs


def train(args: list[str]) -> LastLines | None:
    """Run a command that trains or reads a run.

    Args:
        args: The command and its options.

    Returns:
        Where the run or the features are; None if nothing was written.
    """
    make_printable()
    with progress_lines():
        cli = run_training_command(args)
    if cli.predictions is not None:
        return LastLines(cli.predictions)
    run = Path(cli.config[args[0]].trainer.run)
    if args[0] not in ("fit", "unlearn") or not (run / runs.RECORD).exists():  # a fast_dev_run writes nothing
        return None
    return LastLines(f"Run: {run}", next_command(*_next_words(cli, str(run)), *allow_words(allowed_classes(args))))


def _next_words(cli: UnlearningCLI, run: str) -> list[str]:
    command = str(cli.subcommand)
    settings = cli.config[command]
    if command == "unlearn":
        return ["audit", "--model", run, *_original(Path(settings.original).expanduser())]
    if settings.data.train_on == "retain":
        return ["audit", "--model", "UNLEARNED", "--original", "ORIGINAL", "--retrained", run]
    return ["unlearn", "--original", run, "--method", "NegGrad", "--forget.fraction", "0.1"]


def _original(path: Path) -> list[str]:
    """The option of an audit for what unlearning started from: a run, or a file that belongs to none."""
    folders = [path, *path.parents[:2]]  # RUN/checkpoints/last.ckpt
    run = next((folder for folder in folders if (folder / runs.RECORD).is_file()), None)
    return ["--original", str(path if run is None else run)]
