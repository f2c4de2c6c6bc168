"""A plan on tiny digits, and its runs."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from unlearning_pl.benchmark import benchmark
from unlearning_pl.commands.main import run

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
FIT = f"--model SimCLR --model.backbone resnet9_slim {DIGITS} {CPU}"
METHODS = {"fine_tune": "--method FineTune --optimizer.lr 0.01", "neg_grad": "--method NegGrad"}
PLAN = {"title": "Tiny", "fit": FIT, "forget": {"count": 8}, "unlearn": CPU, "methods": METHODS, "audit": "--views 2"}
RUNS = ["original", "retrained", "fine_tune", "neg_grad"]


def write(name: str = "tiny", **changes: object) -> str:
    Path(f"{name}.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return f"{name}.yaml"


def made(seeds: Sequence[int] = (0,)) -> list[str]:
    """Run the plan; the names of what was made, in order."""
    names = []

    def noting(words: list[str]) -> None:
        names.append("audit" if words[0] == "audit" else Path(words[words.index("--run") + 1]).name)
        run(words)

    benchmark(noting, ["tiny.yaml"], seeds, "runs")
    return names
