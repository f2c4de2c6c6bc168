"""What a benchmark would run, compared with what runs read."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.planned_runs import PlannedRun, planned_runs
from unlearning_pl.commands.main import main, run

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 80 --data.source.image_size 8 --data.batch_size 16"
DIGITS += " --data.validation 0.1"
PLAN = {
    "fit": f"--model Classifier --model.backbone resnet9_slim {DIGITS} --trainer.max_epochs 2 {CPU}",
    "forget": {"fraction": 0.25},
    "unlearn": f"--trainer.max_epochs 3 {CPU}",
    "methods": {
        "neg_grad": "--method NegGrad --plugins+=CoUn --trainer.max_epochs 1",
        "scrub": "--method SCRUB --method.max_epochs 1",
        "ssd": "--method SSD --method.selection 1",
        "gradient_penalty": "--method GradientPenalty --method.target held_out",
        "coun": "--plugins+=CoUn --trainer.limit_train_batches 2",
        "half": "--method FineTune --trainer.limit_train_batches 0.5 --trainer.max_epochs 1",
        "short": "--method FineTune --trainer.max_steps 3 --trainer.accumulate_grad_batches 2",
        "endless": "--method FineTune --trainer.max_steps 2 --trainer.max_epochs -1",
    },
}


pytestmark = pytest.mark.usefixtures("_a_command_line_is_parsed_once")


def write(**changes: object) -> str:
    Path("tiny.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return "tiny.yaml"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()


def planned(seed: int, only: list[str] | None = None) -> dict[str, PlannedRun]:
    (plan,) = read_plans(["tiny.yaml"], ["tiny"])
    return {run.name: run for run in planned_runs(plan, [seed], Path("runs/tiny"), only)}


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Lines of a dry run."""
    capsys.readouterr()
    assert main(["benchmark", "tiny.yaml", "--seeds", "3", "--dry-run", "--allow", "tiny", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_planned_passes_are_those_that_the_runs_then_record() -> None:
    before = planned(3)
    *trained, audit = before
    assert (trained, audit) == (["original", "retrained", *PLAN["methods"]], "audit")  # type: ignore[misc]
    for name in trained:
        run(shlex.split(before[name].line))
    records = {name: json.loads(Path(f"runs/tiny/seed3/{name}/run.json").read_text()) for name in trained}
    assert {name: before[name].passes for name in trained} == {name: records[name]["passes"] for name in trained}
    assert [*planned(3)] == ["audit"]


def test_hours_are_those_of_the_row_or_else_of_the_command() -> None:
    for name, command, passes, seconds in (
        *[("neg_grad", "unlearn", 72, 2.0), ("retrained", "fit", 72, 4.0), ("ssd", "unlearn", 0, 50.0)],
        ("a_row_that_the_plan_had", "unlearn", 72, 8.0),
    ):
        record = Path("runs/tiny/seed9") / name / "run.json"
        record.parent.mkdir(parents=True)
        facts = {"passes": passes, "seconds": seconds, "command": ["unlearning-pl", command]}
        record.write_text(json.dumps({**facts, "versions": {}, "hardware": ""}))
    found = planned(4)
    assert "--forget.seed 4" in found["scrub"].line
    assert found["neg_grad"].hours == pytest.approx(found["neg_grad"].passes / 36 / 3600)
    assert found["scrub"].hours == pytest.approx(found["scrub"].passes / (144 / 10) / 3600)  # of all methods together
    assert found["original"].hours == pytest.approx(found["original"].passes / 18 / 3600)


def test_the_command_prints_them_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "--only", "ssd")
    assert lines[0].startswith("unlearning-pl fit --run runs/benchmark/tiny/seed3/original --model Classifier")
    assert lines[1] == "    128 image passes, - h"
    assert lines[5] == "    0 image passes, - h"
    assert lines[-1].startswith("tiny: 4 commands, 224 image passes. No hours:")
    assert not Path("runs").exists()


def test_without_a_known_number_there_are_no_passes(capsys: pytest.CaptureFixture[str]) -> None:
    timed = "--method FineTune --trainer.max_epochs -1 --trainer.max_time 00:00:00:01 --schedule constant"
    write(methods={"timed": timed})
    assert "No image passes: " in printed(capsys)[-1]
    source = "--data.source Parquet --data.source.train nowhere.parquet --data.source.test nowhere.parquet"
    write(fit=f"--model SimCLR {source}", methods={"fine_tune": "--method FineTune"})
    assert "No image passes: the images of the plan cannot be read here" in printed(capsys)[-1]
