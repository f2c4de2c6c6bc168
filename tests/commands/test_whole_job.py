"""Fitting, unlearning, testing and predicting by commands, on tiny digits."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.accelerators import CPUAccelerator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_commands import SHORT, SIMCLR, TINY, command, error

from unlearning_pl import __version__
from unlearning_pl.commands.main import main

pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


def test_one_of_many_gpus_is_taken_unless_more_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo and a benchmark run command after command in one process, with batches made for one."""
    monkeypatch.setattr(CPUAccelerator, "auto_device_count", staticmethod(lambda: 32))
    assert command(f"fit {SIMCLR} --run {tmp_path}/run --trainer.fast_dev_run true") == 0


def test_a_run_explains_itself(made: Path) -> None:
    for run in ("original", "retrained", "ac", "coun"):
        assert {"config.yaml", "split.json", "run.json", "checkpoints"} <= {p.name for p in (made / run).iterdir()}
        torch.load(made / run / "checkpoints/last.ckpt", weights_only=True)
    record = json.loads((made / "ac/run.json").read_text())
    assert record["seconds"] > 0
    assert record["versions"]["unlearning-pl"] == __version__
    config = yaml.safe_load((made / "ac/config.yaml").read_text())
    assert config["method"]["class_path"] == "unlearning_pl.methods.AlignmentCalibration"
    assert config["model"] == yaml.safe_load((made / "original/config.yaml").read_text())["model"]
    assert len(json.loads((made / "ac/split.json").read_text())["forget"]) == 8


def test_the_monitor_is_named_as_a_callback_and_in_the_configuration(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = f"fit --model SimCLR --data.validation 0.1 {SHORT} --trainer.callbacks+=MembershipMonitor"
    assert main([*wrong.split(), "--trainer.callbacks.rows", "many"]) == 2
    assert "a whole number as trainer.callbacks.rows, got many. Correct the value." in capsys.readouterr().err
    monitor = "--data.validation 0.1 --trainer.callbacks+=MembershipMonitor --trainer.callbacks.rows 20"
    assert command(f"fit {SIMCLR} {monitor} --run {tmp_path}/watched") == 0
    config = yaml.safe_load((tmp_path / "watched/config.yaml").read_text())
    spec = {"class_path": "unlearning_pl.MembershipMonitor", "init_args": {"every_n_epochs": 1, "rows": 20}}
    assert config["trainer"]["callbacks"] == [spec]
    events = EventAccumulator(str(tmp_path / "watched"))
    events.Reload()
    assert "monitor/auc" in events.Tags()["scalars"]
    watched = f"--method NegGrad --forget.count 8 {SHORT} --trainer.callbacks+=MembershipMonitor"
    assert command(f"unlearn --original {tmp_path}/watched --run {tmp_path}/forgot {watched}") == 0
    events = EventAccumulator(str(tmp_path / "forgot"))
    events.Reload()
    assert "monitor/alignment_forget" in events.Tags()["scalars"]


def test_the_whole_configuration_of_a_run_repeats_it(made: Path, tmp_path: Path) -> None:
    assert command(f"unlearn --config {made}/ac/config.yaml --run {tmp_path}/again") == 0
    ours, theirs = (
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in (made / "ac", tmp_path / "again")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_test_and_predict_take_everything_from_the_run(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(f"test --run {made}/ac") == 0
    assert "test/loss" in capsys.readouterr().out
    assert command(f"predict --run {made}/ac") == 0
    found = np.load(made / "ac/predictions.npz")
    assert found["features"].shape == (len(found["ids"]), 128)
    capsys.readouterr()
    assert "a file as ckpt_path, got auto" in error(capsys, command(f"test --run {made}/ac --ckpt_path auto"))


def test_single_images_and_classes_can_be_typed(made: Path, tmp_path: Path) -> None:
    name = json.loads((made / "ac/split.json").read_text())["forget"][0]
    start = f"unlearn --original {made}/original {SHORT}"
    assert command(f"{start} --run {tmp_path}/one --forget.ids {name} --method NegGrad") == 0
    assert json.loads((tmp_path / "one/split.json").read_text())["forget"] == [name]
    assert command(f"{start} --run {tmp_path}/classes --forget.classes [3,7]") == 0


def test_a_classifier_is_validated_on_clean_images(tmp_path: Path) -> None:
    classifier = f"--model Classifier --model.backbone resnet9_slim {TINY} --data.validation 0.2"
    assert command(f"fit {classifier} --run {tmp_path}/run") == 0
    assert command(f"validate --run {tmp_path}/run") == 0


def test_print_config_prints_a_configuration_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(f"fit {SIMCLR} --print_config")
    (tmp_path / "all.yaml").write_text(capsys.readouterr().out)
    assert command(f"fit --config {tmp_path}/all.yaml --run {tmp_path}/run") == 0
