"""Rounds of a session in a notebook: each fits an original, makes it forget and audits it, in other settings.

python tests/evaluation/session.py FOLDER NUMBER    # one round in a process of its own; prints what it found
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import make_data, make_learner, make_method, make_trainer

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.functional import learned_attacks


class Round(NamedTuple):
    """Settings of a round."""

    learner: str
    method: str
    seed: int | None
    forget: int
    views: int


ROUNDS = [
    Round("SimCLR", "CoUn", 1, 8, 2),
    Round("MoCo", "SCRUB", None, 5, 3),
    Round("CLIP", "SalUn", 2, 8, 2),
]


def take(number: int, folder: Path, data: UnlearningData) -> dict[str, Any]:
    """Take a round with a data module that other rounds may have used; return digests of weights, and metrics."""
    learner, method, seed, forget, views = ROUNDS[number]
    torch.manual_seed(number)
    model = make_learner(learner)
    make_trainer(folder / "original", seed=seed, max_epochs=2).fit(model, datamodule=data)
    trainer = make_trainer(folder / "unlearned", seed=seed, max_epochs=2)
    request = ForgetRequest(count=forget, seed=number)
    trainer.unlearn(model, data, str(folder / "original"), **make_method(method), forget=request)
    found = {run: record(folder / run) for run in ("original", "unlearned")}
    with patch.object(learned_attacks, "_STEPS", 30):
        audit = make_trainer(seed=0, logger=False).audit(model, data, "unlearned", views=views)
    return json.loads(json.dumps({**found, "audit": audit.metrics, "random": torch.rand(1).item()}))


def record(run: Path) -> list[Any]:
    facts = json.loads((run / "run.json").read_text())
    return [facts["tensors_sha256"], facts["seed"], facts["epochs"], facts["steps"]]


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = take(int(sys.argv[2]), Path(sys.argv[1]), make_data())
    sys.stdout.write(f"{json.dumps(result)}\n")
