"""What a benchmark would run, compared with what runs read."""

import json
from pathlib import Path

import pytest
import yaml

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.planned_runs import planned_runs
from unlearning_pl.commands.main import main

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 80 --data.source.image_size 8 --data.batch_size 16"
DIGITS += " --data.validation 0.1"
PLAN = {
    "fit": f"--model Classifier --model.backbone resnet9_slim {DIGITS} --trainer.max_epochs 2 {CPU}",
    "forget": {"fraction": 0.25},
    "unlearn": f"--trainer.max_epochs 3 {CPU}",
    "methods": {
        "fine_tune": "--method FineTune",
        "neg_grad": "--method NegGrad --trainer.max_epochs 1",
        "scrub": "--method SCRUB --method.max_epochs 1",
        "ssd": "--method SSD --method.selection 1",
        "gradient_penalty": "--method GradientPenalty --method.target held_out",
    },
}
# 72 images to train on, of which 18 are forgotten, and 8 of validation
PASSES = {"original": 144, "retrained": 108, "fine_tune": 162, "neg_grad": 72, "scrub": 126, "ssd": 0}
PASSES["gradient_penalty"] = 240


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))


def test_each_run_has_its_passes_and_the_hours_of_a_finished_one() -> None:
    (plan,) = read_plans(["tiny.yaml"], ["tiny"])
    planned = [*planned_runs(plan, [3, 4], Path("runs/tiny"))]
    assert [run.name for run in planned] == [*PASSES, "audit"] * 2
    assert {run.name: run.passes for run in planned if run.name != "audit"} == PASSES
    assert all(run.hours is None for run in planned)
    assert "--forget.seed 4" in planned[-2].line
    for name, seconds in (("neg_grad", 2.0), ("fine_tune", 8.0), ("retrained", 4.0)):
        record = Path("runs/tiny/seed9") / name / "run.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"passes": 72, "seconds": seconds, "command": [], "versions": {}, "hardware": ""}))
    hours = {run.name: run.hours for run in planned_runs(plan, [3], Path("runs/tiny"))}
    assert hours["neg_grad"] == pytest.approx(2 / 3600)
    assert hours["scrub"] == pytest.approx(126 / (144 / 10) / 3600)  # of all methods together
    assert hours["original"] == pytest.approx(8 / 3600)


def test_the_command_prints_them_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "tiny.yaml", "--seeds", "3", "--only", "ssd", "--dry-run", "--allow", "tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("unlearning-pl fit --run runs/benchmark/tiny/seed3/original --model Classifier")
    assert lines[1] == "    144 image passes, - h"
    assert lines[5] == "    0 image passes, - h"
    assert lines[-1].startswith("tiny: 4 commands, 252 image passes. No hours:")
    assert not Path("runs").exists()


def test_images_that_are_not_here_have_no_passes(capsys: pytest.CaptureFixture[str]) -> None:
    source = "--data.source Parquet --data.source.train nowhere.parquet --data.source.test nowhere.parquet"
    Path("tiny.yaml").write_text(yaml.safe_dump({**PLAN, "fit": f"--model SimCLR {source}"}))
    assert main(["benchmark", "tiny.yaml", "--seeds", "3", "--dry_run"]) == 0
    assert "No image passes: the images of the plan cannot be read here." in capsys.readouterr().out.splitlines()[-1]
