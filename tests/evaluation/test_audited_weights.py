"""An audit of weights that are not the run's own, or another model's: what it attributes and what it says."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError
from unlearning_pl.evaluation.audit_report import audit_runs
from unlearning_pl.evaluation.audited_weights import AuditedWeights
from unlearning_pl.report import read_report
from unlearning_pl.training.recorded_weights import run_digest

DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false"
FIT = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {QUIET} --trainer.max_epochs 1"
AUDIT = "audit --original original --retrained retrained --views 2 --relearning 0 --accelerator cpu --allow tiny"
pytestmark = pytest.mark.usefixtures("_undrawn")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(f"{FIT} --run original".split()) == 0
        assert main(f"{FIT} --run retrained --data.train_on retain --data.forget.count 8".split()) == 0
        unlearn = f"unlearn --original original --forget.count 8 {QUIET} --trainer.max_epochs 1 --allow tiny"
        assert main(f"{unlearn} --run ga --method NegGrad".split()) == 0
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def report() -> tuple[dict[str, Any], dict[str, dict[str, float]], str]:
    found = read_report("ga/audit/report.json")
    metrics = {audit["name"]: audit["metrics"] for audit in found["audits"]}
    return found["context"], metrics, Path("ga/audit/report.html").read_text()


def copy(name: str, checkpoint: str, digest: str | None) -> None:
    """A run like ``ga`` under another name, with another checkpoint, and a record of that digest or none."""
    shutil.copytree("ga", name)
    shutil.copy(f"{checkpoint}/checkpoints/last.ckpt", f"{name}/checkpoints/last.ckpt")
    record = json.loads(Path("ga/run.json").read_text())
    del record["tensors_sha256"]
    Path(name, "run.json").write_text(json.dumps(record | ({} if digest is None else {"tensors_sha256": digest})))


@pytest.mark.usefixtures("place")
def test_equal_weights_are_said_and_change_nothing_else() -> None:
    copy("none", "original", json.loads(Path("original/run.json").read_text())["tensors_sha256"])  # changed nothing
    copy("before", "ga", None)  # of a version that recorded no digest
    with pytest.warns(UserWarning, match="It has the same weights as") as warned:
        assert main(f"{AUDIT} --model ga none before".split()) == 0
    notes = {"none": "It has the same weights as original.", "before": "It has the same weights as ga."}
    assert [str(each.message) for each in warned] == [f"{name}: {note}" for name, note in notes.items()]
    context, metrics, page = report()
    assert context["notes"] == notes
    assert all(note in page for note in notes.values())
    assert all(metrics[name].keys() >= {"seconds", "speed_up"} for name in ("ga", "none", "before"))
    assert page.count("NegGrad") >= 3


@pytest.mark.usefixtures("place")
def test_the_retrained_models_weights_are_not_audited_as_the_method() -> None:
    shutil.copy("retrained/checkpoints/last.ckpt", "ga/checkpoints/last.ckpt")
    with pytest.warns(UserWarning, match=r"ga: Its checkpoint does not have .* the same weights as retrained\."):
        assert main(f"{AUDIT} --model ga".split()) == 0
    context, metrics, page = report()
    assert "It has the same weights as retrained." in context["notes"]["ga"]
    assert "same weights as retrained" in page
    assert not {"seconds", "speed_up"} & metrics["ga"].keys()
    assert context["settings"]["ga"].keys() == {"model", "method"}
    assert "NegGrad" not in page
    assert "ga" not in context["seeds"]
    assert not any("NegGrad" in command for command in context["commands"])


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_a_retrained_model_of_other_weights_gives_no_speed_up() -> None:
    shutil.copy("ga/checkpoints/last.ckpt", "retrained/checkpoints/last.ckpt")
    with pytest.warns(UserWarning, match="weights") as warned:
        assert main(f"{AUDIT} --model ga".split()) == 0
    assert [str(each.message).partition(":")[0] for each in warned] == ["retrained", "ga"]
    context, metrics, _ = report()
    assert context["notes"]["ga"] == "It has the same weights as retrained."
    assert "speed_up" not in metrics["ga"]
    assert "from scratch" not in str(context["settings"]["retrained"])


@pytest.mark.usefixtures("place")
def test_an_original_of_other_weights_is_named_as_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("ga/checkpoints/last.ckpt", "original/checkpoints/last.ckpt")
    assert main(f"{AUDIT} --model ga".split()) == 2
    assert "got original, whose checkpoint is another one now. Restore it" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_a_copy_of_a_retrained_model_is_no_second_training(capsys: pytest.CaptureFixture[str]) -> None:
    """It would make a floor of 0."""
    shutil.copytree("retrained", "copied")
    change_record("copied", seed=1)
    assert refused("--retrained retrained copied", capsys) == (
        "Expected retrained models of different seeds, got retrained and copied with the same weights. Give each once, "
        "or train one with another --seed_everything: the floor is their distance."
    )
    assert "got retrained and ./copied/../retrained with the same weights" in refused(
        "--retrained retrained ./copied/../retrained", capsys
    )
    with pytest.raises(InputError, match="got retrained and copied with the same weights"):
        audit_runs(["ga"], "original", ["retrained", "copied"], allow=["tiny"])


@pytest.mark.usefixtures("place")
def test_a_seed_that_was_trained_twice_is_no_second_training(capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes take the steps of one, so that the weights of one seed differ in their last bits alone."""
    retrain_with_other_bits("again")
    assert "got retrained and again with the same seed 0." in refused("--retrained retrained again", capsys)
    named = {"retrained": "retrained", "retrained_2": "again"}
    change_record("again", seed=1)
    AuditedWeights.of(named).check_references(named)


def test_trainings_from_python_are_told_apart_by_their_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's seed decides no initial weights there, and the command of a record is that of the script."""
    monkeypatch.setattr("sys.argv", ["train.py"])
    named = {name: str(tmp_path / name) for name in ("retrained", "retrained_2", "retrained_3")}
    for name, seed in zip(named, (1, 2, 2), strict=True):
        torch.manual_seed(seed)
        data = make_data(train_on="retain", validation=0)
        make_trainer(tmp_path / name, seed=0, max_epochs=1).fit(make_learner("Classifier"), datamodule=data)
    record = json.loads((tmp_path / "retrained/run.json").read_text())
    assert (record["command"], record["seed"]) == (["train.py"], 0)
    first, second, third = named.items()
    AuditedWeights.of(dict([first, second])).check_references(dict([first, second]))
    with pytest.raises(InputError, match="with the same weights"):
        AuditedWeights.of(dict([second, third])).check_references(dict([second, third]))


@pytest.mark.usefixtures("place")
def test_an_export_of_a_retrained_model_is_no_second_training() -> None:
    """Rounding changes the digest, not the order of the scores; as an ordinary model it is audited."""
    shutil.copytree("retrained", "export")
    path = Path("export/checkpoints/last.ckpt")
    saved = torch.load(path, weights_only=True)
    for value in saved["state_dict"].values():
        value.copy_(value.half())
    torch.save(saved, path)
    change_record("export", seed=1, tensors_sha256=run_digest("export"))
    options = {"views": 2, "relearning": 0, "allow": ["tiny"], "accelerator": "cpu"}
    with pytest.raises(InputError, match="got retrained and retrained_2, which score all images in the same order"):
        audit_runs(["ga"], "original", ["retrained", "export"], **options)
    audits, _ = audit_runs(["export"], "original", ["retrained"], **options)
    assert [audit.name for audit in audits] == ["export", "original", "retrained"]


@pytest.mark.usefixtures("place")
def test_the_original_under_another_name_is_no_retrained_model(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("retrained", "second")
    shutil.copy("original/checkpoints/last.ckpt", "second/checkpoints/last.ckpt")
    assert refused("--retrained retrained second", capsys) == (
        "Expected a retrained model that never saw the forget set, got second with the weights of the original "
        "original. Train it by fit with --data.train_on retain."
    )


@pytest.mark.usefixtures("place")
def test_a_retrained_model_of_another_learner_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """They have no attack in common: no verdict would be possible."""
    shutil.copytree("retrained", "other")
    path, model = Path("other/config.yaml"), {"class_path": "unlearning_pl.learners.BYOL", "init_args": {}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"model": model}))
    assert refused("--retrained other", capsys) == (
        "Expected SimCLR, the learner of ga, as --retrained, got other, BYOL. Give a run of the same learner."
    )


def refused(references: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a refusal, before anything is written."""
    assert main(f"audit --model ga --original original {references} --views 2 --allow tiny".split()) == 2
    assert not Path("ga/audit").exists()
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line.removeprefix("unlearning-pl: error: ")


def change_record(run: str, **fields: object) -> None:
    record = json.loads(Path(run, "run.json").read_text())
    Path(run, "run.json").write_text(json.dumps(record | fields))


def retrain_with_other_bits(name: str) -> None:
    """A run like ``retrained`` whose weights are off by a rounding error."""
    shutil.copytree("retrained", name)
    path = Path(name, "checkpoints/last.ckpt")
    saved = torch.load(path, weights_only=True)
    weight = next(value for value in saved["state_dict"].values() if value.dtype == torch.float32)
    weight.mul_(1 + 2**-20)
    torch.save(saved, path)
    change_record(name, tensors_sha256=run_digest(name))


def test_all_equal_models_are_named() -> None:
    weights = AuditedWeights({"original": "a", "retrained": "a", "x": "b", "y": "a"}, ("x",))
    assert weights.notes["y"] == "It has the same weights as original and retrained."
    assert weights.notes["retrained"] == "It has the same weights as original."
    assert weights.notes["x"].startswith("Its checkpoint does not have the weights")
    assert "original" not in weights.notes
