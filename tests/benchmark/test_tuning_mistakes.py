"""What a mistake in a tuning gets, before anything runs."""

import shlex
from pathlib import Path

import pytest
import yaml
from written_runs import METHODS, PLAN, TUNED, Written, tuned, write

from unlearning_pl.benchmark import suggest_settings
from unlearning_pl.benchmark.tuning import tune
from unlearning_pl.benchmark.tuning_request import Budget
from unlearning_pl.commands import benchmark as benchmark_command
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError

pytestmark = pytest.mark.usefixtures("_a_command_line_is_parsed_once", "_in_an_empty_folder")


def test_requests_of_all_plans_are_drawn_before_anything_runs() -> None:
    write()
    half = {**PLAN, "forget": {"fraction": 0.5}}
    Path("half.yaml").write_text(yaml.safe_dump(half, sort_keys=False))
    runner = Written()
    with pytest.raises(InputError, match="training images that none of the seeds 0, 1 forgets"):
        tune(runner, ["tiny.yaml", "half.yaml"], [0, 1], "runs", Budget(2))
    assert runner.lines == []


LOW, HIGH = {"low": 0.01, "high": 0.1}, {"low": 1, "high": 9}


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({}, "--tune 0", "Expected --tune >= 1 trials a method, got 0"),
        ({}, "--tune many", "many"),
        ({}, "--tune 2 --tune_bound nan", "as tune_bound, got nan"),
        ({}, "--tune 2 --tune_bound -1", "Expected --tune_bound >= 0 points, got -1.0"),
        ({}, "--tune 2 --tune_bound inf", "tune_bound"),
        ({}, "--tune 2 --tune_seed -1", f"Expected --tune_seed from 0 to {2**32 - 1}, got -1"),
        ({}, "--tune 2 --tune_seed 1", "got [1] in both for tiny.yaml"),
        ({"references": 3}, "--tune 2 --tune_seed 1002", "got [1002] in both for tiny.yaml"),
        ({"references": 3}, "--tune 2 --seeds 3000 --tune_seed 1000", "got [3000] in both for tiny.yaml"),
        ({}, "--tune_seed 7", "Expected --tune with --tune_seed 7, got none"),
        ({}, "--keep_trials true", "Expected --tune with --keep_trials true"),
        ({}, "--tune 2 --seeds 0 0", "0 twice"),
        ({"forget": {"classes": ["3"]}}, "--tune 2", "Expected a request by fraction, count or per_class in tiny.yaml"),
        ({"tune": []}, "", "Expected rows with ranges under tune in tiny.yaml, got []"),
        ({"tune": {"fine_tun": {}}}, "", "got fine_tun. Did you mean fine_tune?"),
        ({"tune": {"fine_tune": {}}}, "", "Expected options and their ranges as tune.fine_tune in tiny.yaml, got {}"),
        ({"tune": {"fine_tune": {"lr": LOW}}}, "", "got 'lr'. Write it with two dashes"),
        ({"tune": {"fine_tune": {"--run": [1, 2]}}}, "", "tune.fine_tune in tiny.yaml without --run"),
        ({"tune": {"fine_tune": {"--optimizer.lr": 3}}}, "", "Expected a range for --optimizer.lr in tune.fine_tune"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [0.1]}}}, "", "Expected several choices"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [1, 1]}}}, "", "Expected different choices"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [[1], 2]}}}, "", "got [1]. Leave it out"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {**LOW, "step": 1}}}}, "", "got step. "),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 2, "high": 1}}}}, "", "low < high for --optimizer.lr"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 0, "high": 1, "log": True}}}}, "", "Expected low above 0"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 0, "high": float("inf")}}}}, "", "0 and inf"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {**LOW, "log": "yes"}}}}, "", "Expected true or false as log"),
        ({"tune": {"fine_tune": {"--optimizr.lr": LOW}}}, "--tune 2", "Did you mean --optimizer.lr?"),
        ({"tune": {"fine_tune": {"--schedule": ["cosin", "constant"]}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--schedule": LOW}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--optimizer.betas": [1, 2]}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--trainer.max_steps": LOW}}}, "--tune 2", "tiny.yaml, fine_tune"),
        (
            {"tune": {"fine_tune": {"--trainer.gradient_clip_val": HIGH}}},
            "--tune 2",
            "Expected a number as the plan's own",
        ),
        (
            {"tune": {"fine_tune": {"--optimizer.dampening": {**HIGH, "log": True}}}},
            "--tune 2",
            "Expected a number above 0",
        ),
        ({"methods": {"mine": "--method tiny.Method"}}, "--tune 2", "tiny.Method"),
        ({"notes": 3}, "", "Expected text as notes"),
        ({}, "--tune 2 --processes 0", "Expected --processes >= 1"),
        ({"methods": {"coun": "--plugins+=CoUn"}}, "--tune 2", "Expected --method in the row coun of tiny.yaml"),
    ],
)
def test_a_mistake_gets_one_line_before_anything_runs(
    changes: dict[str, object],
    words: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(benchmark_command, "run", Written())
    plan = write(**{"methods": {"fine_tune": METHODS["fine_tune"]}, **changes})
    assert main(["benchmark", plan, "--output", "runs", *shlex.split(words)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert not Path("runs").exists()


def test_without_optuna_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest_settings, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Expected optuna for .*pip install 'unlearning-pl\[tune\]'"):
        tune(Written(), [write()], [0], "runs", Budget(2))


def test_the_plan_that_a_tuning_wrote_is_not_tuned() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    tuned(Written(), 1)
    with pytest.raises(InputError, match="which a tuning has written"):
        tune(Written(), [str(TUNED)], [0], "runs", Budget(1))
