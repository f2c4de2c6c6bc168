"""Runs that are resumed with their own settings, and folders that no command overwrites."""

from pathlib import Path

import pytest
import torch
import yaml
from tiny_commands import SHORT, SIMCLR, command, error

pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


def test_a_run_resumes_in_its_own_folder(made: Path, tmp_path: Path) -> None:
    start = f"unlearn --original {made}/original --run {tmp_path}/run --forget.count 8 {SHORT} --schedule constant"
    assert command(start) == 0
    assert command(f"{start} --trainer.max_epochs 2 --ckpt_path last") == 0
    whole = start.replace("/run ", "/whole ")
    assert command(f"{whole} --trainer.max_epochs 2") == 0
    ours, theirs = (
        torch.load(tmp_path / run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in ("run", "whole")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_resumed_run_keeps_its_request(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = f"unlearn --original {made}/original --run {tmp_path}/run {SHORT}"
    assert command(f"{start} --forget.count 8") == 0
    capsys.readouterr()
    assert "Expected forget.count = 8 as in" in error(capsys, command(f"{start} --forget.count 9 --ckpt_path last"))


def test_stopping_is_in_the_configuration_and_needs_held_out_images(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = f"--method NegGrad --forget.count 8 {SHORT} --stop held_out --stop_every 2 --run {tmp_path}/stopped"
    capsys.readouterr()
    told = error(capsys, command(f"unlearn --original {made}/original {stop}"))
    assert "Expected held-out images for --stop held_out, got 0. Train the original with --data.validation 0.1" in told
    assert not (tmp_path / "stopped").exists()
    assert command(f"fit {SIMCLR} --data.validation 0.2 --run {tmp_path}/held_out") == 0
    with pytest.warns(UserWarning, match="told apart at no step"):
        assert command(f"unlearn --original {tmp_path}/held_out {stop}") == 0
    config = yaml.safe_load((tmp_path / "stopped/config.yaml").read_text())
    assert (config["stop"], config["stop_every"]) == ("held_out", 2)
    capsys.readouterr()
    resumed = stop.replace("--stop_every 2", "--stop_every 3") + " --ckpt_path last"
    told = error(capsys, command(f"unlearn --original {tmp_path}/held_out {resumed}"))
    assert "Expected stop_every = 2 as in " in told


def test_no_run_is_overwritten_unasked(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (made / "ac/run.json").read_bytes()
    again = f"unlearn --original {made}/original --run {made}/ac --forget.count 8 {SHORT}"
    assert "which exists. Choose another --run or add --overwrite" in error(capsys, command(again))
    assert (made / "ac/run.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_never_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("precious")
    assert "something else" in error(capsys, command(f"fit {SIMCLR} --run {tmp_path}/photos --overwrite"))
    assert (tmp_path / "photos/a.jpg").read_text() == "precious"


def test_the_original_is_never_overwritten_by_what_began_as_it(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (made / "original/checkpoints/last.ckpt").read_bytes()
    again = f"--run {made}/../{made.name}/original --overwrite"
    for start in (
        f"unlearn --original {made}/original --forget.count 3 {SHORT}",
        f"fit {SIMCLR} --weights {made}/original",
    ):
        assert "another run folder than that of the weights" in error(capsys, command(f"{start} {again}"))
    assert (made / "original/checkpoints/last.ckpt").read_bytes() == before


def test_a_failed_job_puts_the_run_back_that_it_was_to_replace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(f"fit {SIMCLR} --run {tmp_path}/run") == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    capsys.readouterr()
    code = command(f"fit {SIMCLR} --run {tmp_path}/run --overwrite --optimizer.lr 1e30")
    assert "Expected a finite loss" in error(capsys, code, expected=1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "change",
    [
        "--seed_everything 7",
        "--model.temperature 0.9",
        "--optimizer.lr 0.5",
        "--optimizer Adam",
        "--data.validation 0.2",
        "--data.batch_size 8",
        "--data.views ContrastiveViews",
        "--data.train_on retain",
        "--data.forget.count 3",
        "--weights runs/nothing",
    ],
)
def test_a_resumed_run_keeps_its_settings(change: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (made / "original/config.yaml").read_bytes()
    code = command(f"fit {SIMCLR} --run {made}/original --ckpt_path last {change}")
    key, value = change.removeprefix("--").split()
    line = error(capsys, code)
    assert line.startswith(f"unlearning-pl: error: Expected {key} = ")
    assert f"when resuming, got {value}." in line or key in ("optimizer", "data.views")
    assert (made / "original/config.yaml").read_bytes() == before


def test_another_runs_checkpoint_replaces_no_run(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = command(f"fit {SIMCLR} --run {made}/retrained --ckpt_path {made}/original/checkpoints/last.ckpt")
    assert "Expected a checkpoint of the run" in error(capsys, code)


def test_only_a_constant_rate_goes_on_for_longer(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = command(f"fit {SIMCLR} --run {made}/original --ckpt_path last --trainer.max_epochs 3")
    assert "Expected {'epochs': 1} as in" in error(capsys, code)


def test_settings_that_the_checkpoint_contradicts_are_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = made / "original/checkpoints/last.ckpt"
    code = command(f"fit {SIMCLR} --model.temperature 0.9 --ckpt_path {checkpoint} --run other")
    assert "Expected model.temperature = 0.5" in error(capsys, code)
