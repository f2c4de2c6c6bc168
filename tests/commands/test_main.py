"""The commands, in process, on tiny digits: what works, and what a mistake gets."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.accelerators import CPUAccelerator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import allowing

from unlearning_pl import __version__, methods
from unlearning_pl.cli.parse_errors import available_classes
from unlearning_pl.cli.training_cli import UnlearningCLI
from unlearning_pl.commands.main import COMMANDS, main
from unlearning_pl.evaluation import audit_report

NAMES = [*COMMANDS, *UnlearningCLI.subcommands()]

TINY = (
    "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1 "
)
SIMCLR = f"--model SimCLR --model.backbone resnet9_slim {TINY}"
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"


def command(words: str) -> int:
    return main(allowing(words.split()))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_of_many_gpus_is_taken_unless_more_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo and a benchmark run command after command in one process, with batches made for one."""
    monkeypatch.setattr(CPUAccelerator, "auto_device_count", staticmethod(lambda: 32))
    assert command(f"fit {SIMCLR} --run {tmp_path}/run --trainer.fast_dev_run true") == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four runs of the whole job."""
    runs = tmp_path_factory.mktemp("runs")
    assert command(f"fit {SIMCLR} --run {runs}/original") == 0
    assert command(f"fit {SIMCLR} --run {runs}/retrained --data.train_on retain --data.forget.count 8") == 0
    calibrate = f"--method AlignmentCalibration --method.beta 7 --forget.count 8 {SHORT}"
    assert command(f"unlearn --original {runs}/original --run {runs}/ac {calibrate}") == 0
    plugged = "--plugins+=CoUn --forget.count 8"
    assert command(f"unlearn --original {runs}/original --run {runs}/coun {plugged} {SHORT}") == 0
    return runs


def error(capsys: pytest.CaptureFixture[str], code: int, expected: int = 2) -> str:
    """The one line that a mistake gets."""
    assert code == expected
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("unlearning-pl: error: ")
    return lines[0]


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--forget.ids [nobody]", "nobody"),
        ("--forget.classes [cat]", "cat"),
        ("--forget.fraction 1.5", "got 1.5"),
        ("--forget.count 48", "48"),
        ("--forget.count 0", "got 0"),
        ("--forget.file missing.txt", "missing.txt"),
        ("", "Expected a forget request, got none"),
        ("--forget.count 8 --method AlignmentCalibration --method.alpha -1", "alpha >= 0, got -1"),
        ("--forget.count 8 --method AlignmentCalibraton", "AlignmentCalibraton"),
        ("--forget.count 8 --method SSD --plugins+=CoUn", "a method that takes steps with CoUn, got SSD"),
        ("--forget.count 8 --model.temperature abc", "abc"),
        ("--forget.count 8 --data.batch_size 0", "batch_size"),
        ("--forget.count 8 --data.source.train_size 40", "fingerprint"),
        ("--forget.count 8 --model.backbone resnet18", "with other names: "),
        ("--forget.ids 99999", "99999"),
        ("--forget.count 8 --data.validation 0.3", "data.validation = 0.0"),
        ("--forget.count 8 --method PlugIn", "Expected a method, got the base class PlugIn"),
        ("--forget.count 8 --method GradientPenalty", "Train the original with --data.validation 0.1"),
        ("--forget.count 8 --method HeldOutCalibration", "Train the original with --data.validation 0.1"),
        ("--forget.count 8 --trainer.max_epochs 0", "max_epochs"),
        ("--forget.count 8 --optimizer.lr -1", "-1"),
        ("--forget.count 8 --trainer.compile true --method GradientPenalty", "trainer.compile = false"),
    ],
)
def test_a_mistake_in_unlearn_gets_one_line(
    words: str, message: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(f"unlearn --original {made}/original --run {tmp_path}/run {SHORT} {words}")
    assert message in error(capsys, code)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("unlearn --original nowhere --forget.count 8", "nowhere"),
        ("unlearn --forget.count 8", "original"),
        (f"fit {SIMCLR} --data.train_on retain", "Expected a forget request"),
        (f"fit {SIMCLR} --model.backbone resnet19", "resnet19"),
        (f"fit {SIMCLR} --model.momentum 0.9", "momentum"),
        (f"fit --config missing.yaml {SIMCLR}", "missing.yaml"),
        (f"fit {SIMCLR} --ckpt_path missing.ckpt", "missing.ckpt"),
        (f"fit {SIMCLR} --data.source Parquet --data.source.train no --data.source.test no", "no"),
        ("audit --model nowhere", "nowhere"),
        ("audit --model x --devices -3", "devices"),
        ("audit --model x --accelerator abacus", "Got value: abacus"),
        ("audit --model x --relearning -1", "Expected relearning >= 0 epochs, got -1"),
        ("audit --model x --retain_relearning -1", "Expected retain_relearning >= 0 epochs, got -1"),
        ("audit --model x --gradient_attack perhaps", "gradient_attack"),
        ("audit", "model"),
        ("test --run nowhere", "nowhere"),
        ("unleran --original x", "Did you mean unlearn?"),
        (f"predict {SIMCLR}", "Expected --run RUN"),
        (f"fit {SIMCLR} --model.backbone vit_tiny", "8x8 pixels"),
        (f"fit --model Classifier --model.backbone resnet9_slim --model.num_classes 3 {TINY}", "num_classes >= 10"),
        (f"fit {SIMCLR} --trainer.devices 0", "devices"),
        (f"fit {SIMCLR} --trainer.strategy foo", "foo"),
        (f"fit {SIMCLR} --run /proc/nowhere", "/proc/nowhere"),
        (f"fit {SIMCLR} --overwrite --ckpt_path auto", "got both"),
        (f"fit {SIMCLR} --trainer.max_steps 0", "trainer.max_steps above 0, got 1 and 0"),
        (f"fit {SIMCLR} --seed_everything 4294967296", "seed_everything from 0 to 4294967295, got 4294967296"),
        (f"fit {SIMCLR} --trainer.accumulate_grad_batches 0", "accumulate_grad_batches >= 1, got 0"),
        (f"fit {SIMCLR} --trainer.limit_train_batches 0", "limit_train_batches above 0, got 0"),
        (f"fit {SIMCLR} --data.validation 0.2 --trainer.val_check_interval 9", "interval from 1 to 2,"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in error(capsys, command(words))
    assert not Path("runs").exists()


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ckpt").write_text("not weights")
    assert "which is a text file" in error(capsys, command(f"fit {SIMCLR} --ckpt_path {tmp_path}/a.ckpt"))


def test_single_images_and_classes_can_be_typed(made: Path, tmp_path: Path) -> None:
    name = json.loads((made / "ac/split.json").read_text())["forget"][0]
    start = f"unlearn --original {made}/original {SHORT}"
    assert command(f"{start} --run {tmp_path}/one --forget.ids {name} --method NegGrad") == 0
    assert json.loads((tmp_path / "one/split.json").read_text())["forget"] == [name]
    assert command(f"{start} --run {tmp_path}/classes --forget.classes [3,7]") == 0


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


def test_audit_refuses_an_original_that_the_model_did_not_begin_as(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(f"fit {SIMCLR} --run {tmp_path}/other --seed_everything 1") == 0
    capsys.readouterr()
    assert "started from" in error(capsys, command(f"audit --model {made}/ac --original {tmp_path}/other"))
    assert "train_on = all" in error(capsys, command(f"audit --model {made}/ac --original {made}/retrained"))


def test_a_classifier_is_validated_on_clean_images(tmp_path: Path) -> None:
    classifier = f"--model Classifier --model.backbone resnet9_slim {TINY} --data.validation 0.2"
    assert command(f"fit {classifier} --run {tmp_path}/run") == 0
    assert command(f"validate --run {tmp_path}/run") == 0


def test_settings_that_the_checkpoint_contradicts_are_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = made / "original/checkpoints/last.ckpt"
    code = command(f"fit {SIMCLR} --model.temperature 0.9 --ckpt_path {checkpoint} --run other")
    assert "Expected model.temperature = 0.5" in error(capsys, code)


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


@pytest.mark.parametrize("words", ["", "--help"])
def test_the_overview_names_every_command(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(words) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: int | str | None = command(f"{name} --help")
    except SystemExit as stop:  # of jsonargparse
        code = stop.code
    assert code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: unlearning-pl {name}")
    assert "unlearning-pl" in shown


def test_a_new_export_appears_in_suggestions(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distil(methods.Unlearner):
        """Copy a teacher."""

    monkeypatch.setattr(methods, "Distil", Distil, raising=False)
    monkeypatch.setattr(methods, "__all__", [*methods.__all__, "Distil"])
    assert available_classes("method")["Distil"] is Distil
    assert "Distil" not in available_classes("plugins")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--method FineTun", "Expected a class for method, got FineTun. Did you mean FineTune?"),
        ("--method SCRUB --method.foo 3", "Expected an option of SCRUB in method, got foo. It has max_epochs, gamma,"),
        (
            "--method GradientPenalty --method.score los",
            "Expected loss or similarity as method.score, got los. Did you",
        ),
        ("--method GradientPenalty --method.target x", "Expected a number or held_out as method.target, got x."),
        ("--method SalUn --method.share half", "Expected a number as method.share, got half."),
        ("--plugins CoUn", "Write --plugins+=NAME, once for each."),
        ("--method neg_grad", "Did you mean NegGrad?"),
        ("--method Nope", "Choose from AlignmentCalibration,"),
        ("--method SimCLR", "Expected a class for method, got SimCLR. Choose from"),
        ("--method my_package.NegGrd", "(No module named 'my_package'). Did you mean NegGrad?"),
        ("--method unlearning_pl.methods.NegGrd", "Did you mean NegGrad?"),
        (
            "--config method.yaml",
            "Expected a class for method, got unlearning_pl.methods.FineTun. Did you mean FineTune?",
        ),
        ("--plugins+=CoUnn", "Expected a class for plugins, got CoUnn. Did you mean CoUn?"),
        ("--model SimCRL", "Did you mean SimCLR?"),
        ("--model torch.nn.Linear", "Expected a class for model, got torch.nn.Linear. Choose from BYOL,"),
        ("--data.source Digts", "Did you mean Digits?"),
        ("--data.views JiterViews", "Did you mean JitterViews?"),
        ("--optimizer SDG", "Did you mean SGD"),
        ("--optimizer torch.optim.Adm", "Did you mean Adam"),
        ("--optimizr.lr 3", "an option of unlearning-pl unlearn, got --optimizr.lr. Did you mean --optimizer.lr?"),
        ("--optimizr.lr=3", "got --optimizr.lr. Did you mean --optimizer.lr?"),
        ("--optimizer.lrr 3", "Expected an option of SGD in optimizer, got lrr. Did you mean lr?"),
        ("--trainer.max_epoch 3", "got --trainer.max_epoch. Did you mean --trainer.max_epochs?"),
        ("--fraction 0.1", "Did you mean --forget.fraction?"),
        ("--bogus 1", "got --bogus. Run unlearning-pl unlearn --help for a list."),
        ("extra", "got extra."),
        ("--method AlignmentCalibration --method.betta 3", "an option of AlignmentCalibration in method, got betta. "),
        ("--method AlignmentCalibration --method.init_args.betta 3", "got betta. Did you mean beta?"),
        ("--method NegGrad --method.beta 3", "an option of NegGrad in method, got beta. It has none."),
        ("--method.beta 3", "Expected --method NAME before its options, got method.beta alone. Choose from Align"),
        ("--plugins+=CoUn --plugins.weightt 3", "Did you mean weight?"),
        ("--config option.yaml", "an option of AlignmentCalibration in method, got betta. Did you mean beta?"),
        ("--config key.yaml", "got trainer.max_epoch. Did you mean trainer.max_epochs?"),
        ("--config optimizer.yaml", "got optimizr.class_path. Did you mean optimizer.class_path?"),
    ],
)
def test_near_misses_are_named(words: str, message: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("method.yaml").write_text("method: {class_path: unlearning_pl.methods.FineTun}")
    Path("option.yaml").write_text("method: {class_path: AlignmentCalibration, init_args: {betta: 3}}")
    Path("key.yaml").write_text("trainer: {max_epoch: 3}")
    Path("optimizer.yaml").write_text("optimizr: {class_path: torch.optim.SGD}")
    code = command(f"unlearn --original {made}/original --run run --forget.count 8 {SHORT} {words}")
    assert message in error(capsys, code)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("audit --modl x", "Expected an option of unlearning-pl audit, got --modl. Did you mean --model?"),
        ("audit --config key.yaml", "got modl. Did you mean model?"),
        ("audit --model x --view 3", "Did you mean --views?"),
        ("demo --sed 3", "Did you mean --seed?"),
        ("benchmrk x", "Did you mean benchmark?"),
        ("--nope", "Choose from audit, benchmark, configs,"),
        ("fit --modl SimCLR", "Did you mean --model?"),
    ],
)
def test_near_misses_of_every_command_are_named(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("key.yaml").write_text("modl: x")
    assert message in error(capsys, command(words))


def test_print_config_prints_a_configuration_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(f"fit {SIMCLR} --print_config")
    (tmp_path / "all.yaml").write_text(capsys.readouterr().out)
    assert command(f"fit --config {tmp_path}/all.yaml --run {tmp_path}/run") == 0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


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
