"""The command audit: what its report has, and which runs it refuses to compare."""

import hashlib
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_commands import SHORT, SIMCLR, command, error

from unlearning_pl.evaluation import audit_report

pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


@pytest.mark.usefixtures("_undrawn_here")
def test_tensorboard_shows_loss_rate_terms_and_audit(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(f"audit --model {made}/ac --original {made}/original --retrained {made}/retrained --views 3") == 0
    assert "ac" in capsys.readouterr().out
    events = EventAccumulator(str(made / "ac"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {
        "train/loss",
        "train/forget_alignment",
        "lr",
        "verdict/membership_auc",
        "verdict/retraining_distance",
    } <= tags


def test_audit_writes_a_report_on_every_model(made: Path, tmp_path: Path) -> None:
    models = f"{made}/ac {made}/coun"
    references = f"--original {made}/original --retrained {made}/retrained"
    assert command(f"audit --model {models} {references} --views 3 --output {tmp_path}/report") == 0
    report = json.loads((tmp_path / "report/report.json").read_text())
    names = [audit["name"] for audit in report["audits"]]
    assert sorted(names[:2]) == ["ac", "coun"]
    assert names[2:] == ["original", "retrained"]
    distances = [audit["metrics"]["retraining_distance"] for audit in report["audits"][:2]]
    assert distances == sorted(distances)
    assert report["context"]["commands"][-1].startswith(f"unlearning-pl audit --model {made}/ac {made}/coun")
    page = (tmp_path / "report/report.html").read_text()
    assert "<html" in page
    assert "coun" in page


def test_without_a_page_the_same_figures_are_written_and_nothing_is_drawn(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = f"audit --model {made}/ac --original {made}/original --views 2 --relearning 0 --output {tmp_path}/report"
    reports, tags = [], []
    for words in ("", " --page false"):
        assert command(f"{audit}{words}") == 0
        reports.append(json.loads((tmp_path / "report/report.json").read_text())["audits"])
        events = EventAccumulator(str(made / "ac"))
        events.Reload()
        tags.append(events.Tags())
        monkeypatch.setattr("unlearning_pl.audits.tsne_map.TSNE", None)
        monkeypatch.setattr("matplotlib.figure.Figure.draw", None)
    assert reports[0] == reports[1]
    assert {"verdict/roc", "verdict/scores"} <= {*tags[0]["images"]}
    assert not {"verdict/roc", "verdict/scores"} & {*tags[1]["images"]}
    assert tags[0]["scalars"] == tags[1]["scalars"]
    assert not (tmp_path / "report/report.html").exists()  # of the earlier audit
    assert capsys.readouterr().out.endswith(f"Report: {tmp_path}/report/report.json\n")


@pytest.mark.usefixtures("_undrawn_here")
def test_relearning_is_in_the_report_where_it_came_back(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = iter([None, 4])  # the retrained model does not come back
    monkeypatch.setattr(audit_report, "relearning_epochs", lambda *_, **__: next(epochs))
    references = f"--original {made}/original --retrained {made}/retrained"
    audit = f"audit --model {made}/ac {references} --views 2"
    assert command(f"{audit} --output {tmp_path}/with") == 0
    assert command(f"{audit} --output {tmp_path}/without --relearning 0") == 0
    found = [
        [
            model["metrics"].get("relearning_epochs")
            for model in json.loads((path / "report.json").read_text())["audits"]
        ]
        for path in (tmp_path / "with", tmp_path / "without")
    ]
    assert found == [[4, None, None], [None, None, None]]


@pytest.mark.usefixtures("_undrawn_here")
def test_retain_relearning_and_the_gradient_attack_are_in_the_report_where_they_were_asked_for(
    made: Path, tmp_path: Path
) -> None:
    references = f"--original {made}/original --retrained {made}/retrained"
    audit = f"audit --model {made}/ac {references} --views 3 --relearning 0"
    assert command(f"{audit} --output {tmp_path}/with --retain_relearning 1 --gradient_attack true") == 0
    assert command(f"{audit} --output {tmp_path}/without") == 0
    asked, not_asked = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("with", "without"))
    wanted = {"retain_relearning_accuracy", "retain_relearning_auc", "retain_relearning_auc_change", "gradient_auc"}
    for model in asked["audits"]:
        assert wanted <= model["metrics"].keys()
        curve = model["retain_relearning"]
        assert curve["epochs"] == [0, 1]
        assert curve["auc"][0] == pytest.approx(model["metrics"]["membership_auc"])
        assert curve["auc"][1] - curve["auc"][0] == pytest.approx(model["metrics"]["retain_relearning_auc_change"])
    assert asked["context"]["audit"]["retain_relearning"] == 1
    assert asked["context"]["audit"]["gradient_attack"] is True
    for model in not_asked["audits"]:
        assert not wanted & model["metrics"].keys()
        assert "retain_relearning" not in model


def test_audit_refuses_an_original_that_the_model_did_not_begin_as(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(f"fit {SIMCLR} --run {tmp_path}/other --seed_everything 1") == 0
    capsys.readouterr()
    assert "started from" in error(capsys, command(f"audit --model {made}/ac --original {tmp_path}/other"))
    assert "train_on = all" in error(capsys, command(f"audit --model {made}/ac --original {made}/retrained"))


def test_models_of_another_request_are_not_compared(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unlearn = f"unlearn --original {made}/original --run {tmp_path}/other --forget.count 5 {SHORT}"
    assert command(unlearn) == 0
    capsys.readouterr()
    assert "with another forget than" in error(
        capsys, command(f"audit --model {tmp_path}/other --retrained {made}/retrained")
    )
    assert "train_on = retain" in error(capsys, command(f"audit --model {made}/ac --retrained {made}/coun"))


def test_what_began_as_the_original_is_no_retrained_model(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = f"--weights {made}/original --data.train_on retain --data.forget.count 8"
    assert command(f"fit {SIMCLR} --run {tmp_path}/warm {begun}") == 0
    original = made / "original/checkpoints/last.ckpt"
    record = json.loads((tmp_path / "warm/run.json").read_text())
    assert record["weights_sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
    refused = error(capsys, command(f"audit --model {made}/ac --retrained {tmp_path}/warm --views 2 --relearning 0"))
    assert "which started from weights of a run that did. Train it without --weights." in refused
