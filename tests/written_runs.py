"""A tuning of a tiny plan, with runs and audits written by hand."""

import json
from collections.abc import Callable, Mapping
from math import log10
from pathlib import Path
from typing import Any

import yaml

from unlearning_pl.benchmark.tuning import tune
from unlearning_pl.benchmark.tuning_request import TUNE_SEED, Budget
from unlearning_pl.report.report_json import VERSION

FIT = "--model SimCLR --model.backbone resnet9_slim --data.source Digits --trainer.max_epochs 1"
METHODS = {"fine_tune": "--method FineTune --optimizer.lr 0.05", "neg_grad": "--method NegGrad --optimizer.lr 0.2"}
PLAN = {"fit": FIT, "forget": {"count": 8}, "methods": METHODS, "audit": "--views 2"}
RUNS = Path("runs/tiny/tuning") / f"seed{TUNE_SEED}"
TRIALS, TUNED = Path("runs/tiny/tuning/trials.jsonl"), Path("runs/tiny/tuning/tiny.yaml")
Figures = Callable[[str, float], Mapping[str, float]]


def by_rate(method: str, rate: float) -> Mapping[str, float]:
    """Nearest to retraining at a rate of 0.02; from 0.08 on the accuracy breaks."""
    return {"retraining_distance": abs(log10(rate / 0.02)), "test_accuracy": 80.0 if rate < 0.08 else 60.0}


class Written:
    """A runner that writes the files of a run and of an audit, and notes the commands.

    Args:
        figures: Metrics of a method at a learning rate.
        stop: Number of unlearning runs after which it is interrupted.
    """

    def __init__(self, figures: Figures = by_rate, stop: int = 10**6) -> None:
        self.figures, self.stop, self.lines = figures, stop, list[list[str]]()

    def __call__(self, words: list[str]) -> None:
        self.lines.append(words)
        if words[0] == "audit":
            audits = [self.audit(run) for run in words[words.index("--model") + 1 :]]
            audits += [
                {"name": name, "metrics": by_rate("", 0.02), "intervals": {}} for name in ("retrained", "retrained_2")
            ]
            self.write(Path(words[words.index("--output") + 1]) / "report.json", {"version": VERSION, "audits": audits})
            return
        self.stop -= words[0] == "unlearn"
        if self.stop < 0:
            raise KeyboardInterrupt
        record = {"seconds": 2.0, "passes": 64, "command": words, "hardware": "none", "versions": {}}
        self.write(Path(words[words.index("--run") + 1]) / "run.json", record)
        if words[0] == "unlearn":
            self.figures(*self.of(words))

    def audit(self, run: str) -> dict[str, Any]:
        words = next(line for line in reversed(self.lines) if line[0] == "unlearn" and run in line)
        return {"name": Path(run).name, "metrics": {"seconds": 2.0, **self.figures(*self.of(words))}, "intervals": {}}

    @staticmethod
    def of(words: list[str]) -> tuple[str, float]:
        """Method and learning rate of a command; the last one wins."""
        return words[words.index("--method") + 1], float(words[len(words) - words[::-1].index("--optimizer.lr")])

    @staticmethod
    def write(path: Path, content: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    @property
    def trials(self) -> list[str]:
        """Names of the unlearning runs."""
        return [Path(line[line.index("--run") + 1]).name for line in self.lines if line[0] == "unlearn"]


def write(**changes: object) -> str:
    Path("tiny.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return "tiny.yaml"


def tuned(runner: Written, trials: int, **options: Any) -> dict[str, Any]:
    """Tune tiny.yaml, and read the plan that it wrote."""
    assert tune(runner, ["tiny.yaml"], [0, 1], "runs", Budget(trials, **options)) == [TUNED]
    return yaml.safe_load(TUNED.read_text())


def recorded(row: str) -> list[dict[str, Any]]:
    lines = map(json.loads, TRIALS.read_text().splitlines())
    return [line for line in lines if line["search"].startswith(f"{row}-")]
