"""A tuning by the real commands, from two trials of each method to the tuned plan."""

import json
from pathlib import Path

import pytest
import yaml

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.planned_tuning import planned_tuning
from unlearning_pl.benchmark.tuning import tune
from unlearning_pl.benchmark.tuning_request import Budget
from unlearning_pl.commands.main import run
from unlearning_pl.training.run_record import read_record

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
PLAN = {
    "title": "Tiny",
    "fit": f"--model SimCLR --model.backbone resnet9_slim {DIGITS} {CPU}",
    "forget": {"count": 8},
    "unlearn": CPU,
    "methods": {"fine_tune": "--method FineTune --optimizer.lr 0.01", "ssd": "--method SSD"},
    "audit": "--views 2 --relearning 0",
    "tune": {
        "ssd": {"--method.selection": {"low": 0.5, "high": 4.0, "log": True}}
    },  # at most 6 for an eighth forgotten
}
pytestmark = pytest.mark.usefixtures("_undrawn")


def test_a_tuning_chooses_among_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    commands: list[str] = []
    budget = Budget(2, bound=100.0)
    planned = planned_tuning(read_plans(["tiny.yaml"])[0], budget, Path("runs/tiny"))

    def noting(words: list[str]) -> None:
        commands.append(words[0])
        run(words)

    (path,) = tune(noting, ["tiny.yaml"], [0], "runs", budget)
    plan = yaml.safe_load(path.read_text())
    trials = [json.loads(line) for line in (path.parent / "trials.jsonl").read_text().splitlines()]
    for row, two in (("fine_tune", trials[:2]), ("ssd", trials[2:])):
        assert [trial["reason"] for trial in two] == ["", ""]
        best = min(two, key=lambda trial: trial["distance"])  # the first of two that are equal
        own = [f"{option} {value}" for option, value in best["settings"].items()]
        assert plan["methods"][row] == " ".join([PLAN["methods"][row], *(own if best is not two[0] else [])])
    references = [read_record(path.parent / "seed100000" / name)["passes"] for name in ("original", "retrained")]
    assert sum(run.passes or 0 for run in planned) == sum([*references, *(trial["passes"] for trial in trials)])
    assert len(planned) == len(references) + len(trials)
    again = planned_tuning(read_plans(["tiny.yaml"])[0], budget, Path("runs/tiny"))
    assert [run.passes for run in again] == [run.passes for run in planned]  # whatever is finished already
    assert [run.hours for run in planned] == [None] * len(planned)  # nothing told the rate
    assert None not in [run.hours for run in again]
    assert "| ssd | --method.selection 0.5 to 4 (log) |" in plan["notes"]
    assert commands == ["fit", "fit", *["unlearn", "unlearn", "audit"] * 2]  # original and retrained are made once
    kept = {folder.name for folder in (path.parent / "seed100000").iterdir()}
    assert {"original", "retrained", "audit"} < kept
    assert len(kept) == 5
