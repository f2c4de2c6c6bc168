"""Warm-up and weight decay of a command: recorded as used, repeated on resuming, refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearning_pl.cli.finished_runs import configuration, is_finished_run
from unlearning_pl.commands.main import main
from unlearning_pl.learners import CLIP, Learner
from unlearning_pl.training import runs

DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1 --seed_everything 0"
FIT = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {QUIET} --run run"


class OwnCLIP(CLIP):
    """A learner of the user's, with a default of its own."""

    weight_decay_on = "all"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--model SimCLR", "all"),
        ("--model CLIP", "matrices"),
        ("--model CLIP --weight_decay_on all", "all"),
        ("--model SimCLR --weight_decay_on matrices", "matrices"),
        (f"--model {OwnCLIP.__module__}.OwnCLIP", "all"),
        ("--model CLIP --weight_decay_on null", "matrices"),
    ],
)
def test_a_configuration_names_the_parameters_with_weight_decay(words: str, expected: str) -> None:
    assert configuration(f"fit {words}".split())["weight_decay_on"] == expected


def test_a_run_records_and_reports_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{FIT} --warmup_steps 1 --weight_decay_on matrices --data.forget.count 8".split()) == 0
    config = runs.read_config("run")
    assert (config["warmup_steps"], config["weight_decay_on"]) == (1, "matrices")
    unlearn = f"unlearn --original run --run after --warmup_steps 0 {QUIET} --allow tiny"
    assert main(unlearn.split()) == 0
    assert runs.read_config("after")["weight_decay_on"] == "all"  # the original's settings of training are its own
    assert main(["audit", "--original", "run", "--model", "after", "--views", "2", "--allow", "tiny"]) == 0
    settings = json.loads(Path("after/audit/report.json").read_text())["context"]["settings"]
    assert settings["original"]["warmup_steps"] == 1
    assert [settings[name]["weight_decay_on"] for name in ("original", "after")] == ["matrices", "all"]
    assert main(["test", "--run", "run", "--allow", "tiny"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--warmup_steps -1", "Expected a whole number warmup_steps >= 0, got -1."),
        ("--warmup_steps 3", "Expected --warmup_steps from 0 to 2 in a run of 3 optimiser steps"),
        ("--warmup_steps 2 --schedule one_cycle", "Expected --warmup_steps from 0 to 1 in a run of 3"),
        ("--warmup_steps 1.5", "warmup_steps"),
        ("--warmup_steps true", "warmup_steps"),
        ("--warmup_steps null", "warmup_steps"),
        ("--weight_decay_on biases", "weight_decay_on"),
        ("--warmup_step 3", "warmup_steps"),
    ],
)
def test_mistakes_are_one_line_that_names_the_option(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"{FIT} {words}".split()) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not Path("run").exists()


def edit(run: str, **changes: Any) -> None:
    path = Path(run) / "config.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({k: v for k, v in (config | changes).items() if v is not None}))


def test_a_run_resumes_with_its_own_and_one_of_before_without(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{FIT} --schedule constant".split()) == 0
    resumed = f"{FIT} --schedule constant --ckpt_path last --trainer.max_epochs 2"
    for words in ("--warmup_steps 1", "--weight_decay_on matrices"):
        capsys.readouterr()
        assert main(f"{resumed} {words}".split()) == 2
        option, value = words.removeprefix("--").split()
        recorded = {"1": 0, "matrices": "all"}[value]
        assert f"Expected {option} = {recorded} as in run/config.yaml when resuming, got {value}." in (
            capsys.readouterr().err
        )
    edit("run", warmup_steps=None, weight_decay_on=None)
    assert main(f"{resumed} --warmup_steps 1".split()) == 2
    assert main(resumed.split()) == 0


def test_a_finished_run_of_before_is_that_of_a_command_without_warm_up() -> None:
    words = FIT.split()
    assert main(words) == 0
    edit("run", warmup_steps=None, weight_decay_on=None)
    assert is_finished_run(words, Path("run"))
    assert not is_finished_run([*words, "--warmup_steps", "1"], Path("run"))
    assert not is_finished_run([*words, "--weight_decay_on", "matrices"], Path("run"))


def test_every_learner_has_a_default_that_the_option_knows() -> None:
    assert Learner.weight_decay_on == "all"
    assert CLIP.weight_decay_on == "matrices"
