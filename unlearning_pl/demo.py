"""The whole job on handwritten digits, by the same commands that a user would type."""

import logging
import shlex
from collections.abc import Callable, Iterator

from rich.console import Console

from unlearning_pl.errors import require

TRAIN = (
    "--model SimCLR --model.backbone resnet9_slim --model.temperature 0.2 "
    "--data.source Digits --data.source.train_size 400 --data.batch_size 100 "
    "--optimizer SGD --optimizer.lr 0.2 --optimizer.momentum 0.9 --optimizer.weight_decay 5e-4 "
    "--schedule one_cycle --trainer.max_epochs 250"
)
UNLEARN = "--schedule constant --trainer.max_epochs 10"
# Learning rates were chosen on seed 0, for the AUC nearest to the retrained model at a test accuracy within 3 points.
METHODS = {
    "fine_tune": "--method FineTune --optimizer.lr 0.1",
    "gradient_ascent": "--method GradientAscent --optimizer.lr 0.05",
    "neg_grad": "--method NegGrad --optimizer.lr 0.08",
    "gradient_penalty": "--method GradientPenalty --method.weight 1 --optimizer.lr 0.1",
    "alignment_calibration": "--method AlignmentCalibration --method.alpha 1 --method.beta 4 --optimizer.lr 0.05",
}


def demo(command: Callable[[list[str]], None], seed: int = 0, run: str = "runs/demo") -> None:
    """Train, retrain, unlearn five ways and audit.

    Args:
        command: Runs one command line, a list of words.
        seed: Seed of weights, batches and the forget request.
        run: Folder of all its runs; runs of an earlier demo there are replaced.
    """
    require(seed >= 0, f"Expected seed >= 0, got {seed}. Choose a seed that is not negative.")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    console = Console()
    for words in commands(seed, run):
        console.print(f"\n[bold]unlearning-pl {words}[/bold]", soft_wrap=True, highlight=False)
        command(shlex.split(words))


def commands(seed: int, run: str) -> Iterator[str]:
    """The command lines of the demo, in order."""
    place, again = shlex.quote(run), f"--seed_everything {seed} --overwrite"
    retain = f"--data.train_on retain --data.forget.count 60 --data.forget.seed {seed}"
    yield f"fit --run {place}/original {TRAIN} {again}"
    yield f"fit --run {place}/retrained {TRAIN} {retain} {again}"
    forget = f"--original {place}/original --forget.count 60 --forget.seed {seed}"
    for name, method in METHODS.items():
        yield f"unlearn --run {place}/{name} {forget} {method} {UNLEARN} {again}"
    models = " ".join(f"{place}/{name}" for name in METHODS)
    references = f"--original {place}/original --retrained {place}/retrained"
    yield f"audit {references} --output {place}/audit --model {models}"
