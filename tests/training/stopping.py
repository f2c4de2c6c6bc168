"""Short runs that ``--stop held_out`` may end, and the scores that it reads, computed by hand."""

import json
import math
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import loops
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_method, make_trainer
from torch import Tensor
from torch.optim import SGD

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.learners import Learner
from unlearning_pl.training import held_out_stop
from unlearning_pl.training.held_out_comparison import Comparison
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.types import Split

State = dict[str, Tensor]
STEPS = 6  # of three epochs


def data_of(**options: Any) -> UnlearningData:
    return make_data(**{"forget": ForgetRequest(count=11), "validation": 0.4, "batch_size": 14, **options})


def unlearned(
    original: Path, run: Path | None = None, method: str = "NegGrad", rate: float = 0.1, **options: Any
) -> tuple[Learner, UnlearningTrainer]:
    name = original.parent.name.rstrip("0123456789")
    words = {key: options.pop(key) for key in ("stop", "stop_every", "ckpt_path", "forget") if key in options}
    data = options.pop("data", None) or data_of()
    learner, trainer = make_learner(name), make_trainer(run, **{"max_epochs": 3, "seed": 0, **options})
    learner.optimize_with(partial(SGD, lr=rate, momentum=0.9))
    trainer.unlearn(learner, data, str(original), **make_method(method), **words)
    return learner, trainer


def stop_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())["stop"]
    return found


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


class States(Callback):
    """The whole state of the model after each complete step."""

    def __init__(self) -> None:
        self.found: dict[int, State] = {}

    def _note(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found[trainer.global_step] = {name: value.clone() for name, value in pl_module.state_dict().items()}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._note(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._note(trainer, pl_module)


def margin(scores: list[float], y: int) -> float:
    """Log p - log(1 - p), without p, which rounds to 1."""
    rivals = [score - scores[y] for c, score in enumerate(scores) if c != y]
    return -max(rivals) - math.log(sum(math.exp(rival - max(rivals)) for rival in rivals))


@torch.no_grad()
def scores_by_hand(learner: Learner, data: UnlearningData, split: Split) -> list[float]:
    """From the definitions: cosines of six views, the margin of the clean image, or image against first caption."""
    plan = SamplePlan.evaluation(InputSpec.of(learner), seed=0)
    if type(learner).__name__ not in ("Classifier", "CLIP"):
        plan = SamplePlan(6, False, "first", None, None, 0)
    (samples,) = data.samples((split,), plan, learner.device).values()
    found: list[float] = []
    for sample in samples:
        if learner.knows_classes:
            rows = loops.rows(learner.outputs(sample))
            found += [margin(row, y) for row, y in zip(rows, sample.target.tolist(), strict=True)]
            continue
        parts = [loops.rows(learner.features(view)) for view in sample.views]
        if type(learner).__name__ == "CLIP":
            parts.append(loops.rows(learner.embed_text(sample.text)))
        pairs = [[loops.cosine(a, b) for a, b in zip(*pair, strict=True)] for pair in combinations(parts, 2)]
        found += [loops.mean(list(row)) for row in zip(*pairs, strict=True)]
    return found


def auc_by_hand(learner: Learner, data: UnlearningData) -> float:
    """Share of pairs that the forget image wins; of a classifier, the mean over its classes by their shares."""
    members, others = (scores_by_hand(learner, data, split) for split in ("forget", "validation"))
    classes: list[list[int]] = [[0] * len(members), [0] * len(others)]
    if learner.knows_classes:
        targets = data.load()[0].targets
        classes = [targets[data.positions(split)].tolist() for split in ("forget", "validation")]
    kept = [c for c in classes[0] if c in classes[1]]
    total = 0.0
    for c in {*kept}:
        rivals = [value for value, k in zip(others, classes[1], strict=True) if k == c]
        for value, k in zip(members, classes[0], strict=True):
            if k in kept:
                wins = [(value > rival) + (value == rival) / 2 for rival in rivals]
                total += loops.mean(wins) * kept.count(c) / len(kept) / len(kept)
    return total


def planned(monkeypatch: pytest.MonkeyPatch, aucs: list[float], error: float = 0.01) -> list[int]:
    """Comparisons that find these AUCs one after the other; returns the steps at which they were made."""
    steps: list[int] = []
    left = iter(aucs)

    def found(trainer: Trainer, learner: Any) -> Comparison:
        steps.append(trainer.global_step)
        return Comparison(1.0, 0.0, AucDifference(next(left), 0.5, error))

    monkeypatch.setattr(held_out_stop, "compare", found)
    return steps
