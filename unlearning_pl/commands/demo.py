"""The command ``demo``: train, retrain, unlearn and audit on handwritten digits, with the commands of a user."""

from pathlib import Path

from jsonargparse import ArgumentParser

from unlearning_pl.benchmark import Command, Job, run_command
from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.main import run
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.distributed.launchers import require_single_process
from unlearning_pl.errors import require
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_folder

TRAIN = (
    "--model SimCLR --model.backbone resnet9_slim --model.temperature 0.2 "
    "--data.source Digits --data.source.image_size 8 --data.source.train_size 240 --data.batch_size 80 "
    "--optimizer SGD --optimizer.lr 0.2 --optimizer.momentum 0.9 --optimizer.weight_decay 5e-4 "
    "--schedule one_cycle --trainer.max_epochs 150"
)
UNLEARN = "--schedule constant --trainer.max_epochs 10"
# Rates were chosen on seed 0 with 400 digits of 16 pixels, for the AUC nearest to the retrained model at a test
# accuracy within 3 points; docs/results.md has the exceptions.
METHODS = {
    "fine_tune": "--method FineTune --optimizer.lr 0.1",
    "gradient_ascent": "--method GradientAscent --optimizer.lr 0.05",
    "neg_grad": "--method NegGrad --optimizer.lr 0.16",
    "gradient_penalty_stage2": "--method GradientPenalty --method.target 0 --method.weight 1 --optimizer.lr 0.1",
    "alignment_calibration": "--method AlignmentCalibration --method.alpha 1 --method.beta 4 --optimizer.lr 0.1",
}


JOB = Job(TRAIN, {"count": 60}, {name: f"{words} {UNLEARN}" for name, words in METHODS.items()})


def demo(command: Command, seed: int = 0, run: str = "runs/demo") -> None:
    """Train, retrain, unlearn with five methods and audit.

    Args:
        command: Function that runs one command line, given as a list of words.
        seed: Seed of weights, batches and the forget request.
        run: Folder of all runs of the demo; runs of an earlier demo in it are replaced.
    """
    require_single_process()
    require(seed >= 0, f"Expected seed >= 0, got {seed}. Choose a seed that is not negative.")
    with lock_folder(Path(run).expanduser()), progress_lines():
        progress = Progress("Demo", JOB.command_count, "commands")
        for line in commands(seed, run):
            run_command(line, command)
            progress.finish_round()


def commands(seed: int, run: str) -> list[str]:
    """List the command lines of the demo, in order."""
    return [*JOB.runs(seed, run).values(), JOB.report(run, METHODS)]


def demo_parser() -> ArgumentParser:
    """Create the parser of the command ``demo``."""
    parser = make_parser("demo", "Train, retrain, unlearn with five methods and audit on handwritten digits.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of weights, batches and the forget request.")
    parser.add_argument("--run", type=str, default="runs/demo", help="Folder of all runs; earlier runs are replaced.")
    return parser


def run_demo(args: list[str]) -> LastLines:
    """Run the command ``demo``."""
    options = parse_args(demo_parser(), args)
    demo(run, options.seed, options.run)
    return page_written(Path(options.run).expanduser() / "audit/report.html")
