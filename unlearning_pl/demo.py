"""The whole job on handwritten digits, by the same commands that a user would type."""

import logging
import shlex
from collections.abc import Callable

from rich.console import Console

MODEL = "--model SimCLR --model.backbone resnet9_slim --model.temperature 0.2"
DATA = "--data.source Digits --data.source.train_size 400 --data.batch_size 100"
TRAINED = (
    "--optimizer SGD --optimizer.lr 0.2 --optimizer.momentum 0.9 --optimizer.weight_decay 5e-4 --schedule one_cycle"
)
UNLEARNED = "--optimizer SGD --optimizer.momentum 0.9 --optimizer.weight_decay 5e-4 --schedule constant"
METHODS = {
    "fine_tune": "--method FineTune --optimizer.lr 0.05",
    "gradient_ascent": "--method GradientAscent --optimizer.lr 0.001",
    "neg_grad": "--method NegGrad --optimizer.lr 0.01",
    "gradient_penalty": "--method GradientPenalty --method.weight 1 --optimizer.lr 0.05",
    "alignment_calibration": "--method AlignmentCalibration --method.alpha 1 --method.beta 4 --optimizer.lr 0.05",
}


def demo(command: Callable[[list[str]], None], seed: int = 0, run: str = "runs/demo") -> None:
    """Train, retrain, unlearn five ways and audit.

    Args:
        command: Runs one command line, a list of words.
        seed: Seed of weights, batches and the forget request.
        run: Folder of all its runs; runs of an earlier demo there are replaced.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    console = Console()

    def step(words: str) -> None:
        console.print(f"\n[bold]unlearning-pl {words}[/bold]", soft_wrap=True, highlight=False)
        command(shlex.split(words))

    forget = f"forget.count 60 --forget.seed {seed}"
    long = f"{MODEL} {DATA} {TRAINED} --trainer.max_epochs 250 --seed_everything {seed} --overwrite"
    step(f"fit --run {run}/original {long}")
    step(f"fit --run {run}/retrained {long} --data.train_on retain --data.{forget.replace(' --', ' --data.')}")
    for name, options in METHODS.items():
        method, *rest = options.split(" --optimizer.lr ")
        step(
            f"unlearn --run {run}/{name} --original {run}/original {method} {UNLEARNED} --optimizer.lr {rest[0]} "
            f"--{forget} --trainer.max_epochs 10 --seed_everything {seed} --overwrite"
        )
    models = " ".join(f"{run}/{name}" for name in METHODS)
    step(f"audit --original {run}/original --retrained {run}/retrained --output {run}/audit --model {models}")
