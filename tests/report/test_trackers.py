"""A run under MLflow's and Weights & Biases' loggers: settings, curves, audit figures and the report are kept there."""

import json
import shlex
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import WandbLogger
from tiny import FewDigits

from unlearning_pl.audits import Audit
from unlearning_pl.commands.main import main
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier
from unlearning_pl.report import trackers
from unlearning_pl.report.report_json import read_report
from unlearning_pl.report.trackers import log_to_tracker
from unlearning_pl.training.trainer import UnlearningTrainer

DATA = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
SHORT = "--trainer.max_epochs 2 --trainer.accelerator cpu --trainer.enable_progress_bar false"
FIT = f"fit --model Classifier --model.backbone resnet9_slim {DATA} {SHORT} --run runs/original"
UNLEARN = f"unlearn --original runs/original --forget.count 8 --method NegGrad {SHORT} --allow tiny --run runs/ng"
AUDIT = "audit --model runs/ng --original runs/original --views 2 --relearning 0 --accelerator cpu --allow tiny"


def job(
    logger: str, monkeypatch: pytest.MonkeyPatch, folder: Path, after_training: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Train, unlearn under a logger, and audit; gives the figures of the report."""
    monkeypatch.chdir(folder)
    assert main(shlex.split(FIT)) == main(shlex.split(f"{UNLEARN} --trainer.logger {logger}")) == 0
    after_training()
    assert main(shlex.split(f"{AUDIT} --trackers true")) == 0
    (model,) = (one for one in read_report("runs/ng/audit/report.json")["audits"] if one["name"] == "ng")
    return {key: value for key, value in model["metrics"].items() if value is not None}


def records(folder: Path) -> Iterator[Any]:
    """All records of the runs that wandb wrote without a network, oldest first.

    Its files are LevelDB's log after 7 bytes: blocks of 32 kB with parts of records, each behind a checksum (4 bytes),
    its length (2) and its kind (1): a whole record is 1, a last part 4; 0 fills a block.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted(folder.rglob("*.wandb")):
        content, place, record = path.read_bytes(), 7, b""
        while place + 7 <= len(content):
            size, kind = struct.unpack_from("<HB", content, place + 4)
            if kind == 0 or 2**15 - place % 2**15 < 7:
                place += 2**15 - place % 2**15
                continue
            record += content[place + 7 : place + 7 + size]
            place += 7 + size
            if kind in (1, 4):
                yield Record.FromString(record)
                record = b""


def test_mlflow_keeps_settings_curves_audit_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    figures = job("MLFlowLogger", monkeypatch, tmp_path)
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("lightning_logs").experiment_id])
    assert run.data.params["method/class_path"] == "unlearning_pl.methods.NegGrad"
    assert run.data.params["forget/count"] == "8"
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 2
    assert {key: run.data.metrics[f"audit/{key}"] for key in figures} == pytest.approx(figures)
    configuration = Path(client.download_artifacts(run.info.run_id, "config.yaml", str(tmp_path)))
    assert configuration.read_text() == Path("runs/ng/config.yaml").read_text()
    page = Path(client.download_artifacts(run.info.run_id, "audit/report.html", str(tmp_path)))
    assert page.read_bytes() == Path("runs/ng/audit/report.html").read_bytes()


def test_wandb_keeps_settings_curves_audit_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    figures = job("WandbLogger", monkeypatch, tmp_path, after_training=wandb.finish)  # as the end of a process does
    settings, curves = {}, defaultdict[str, list[float]](list)
    for record in records(tmp_path / "wandb"):
        settings |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        settings |= {item.key: json.loads(item.value_json) for item in record.config.update}
        for item in record.history.item:
            curves["/".join(item.nested_key) or item.key].append(json.loads(item.value_json))
    assert settings["method"]["class_path"] == "unlearning_pl.methods.NegGrad"
    assert settings["forget"]["count"] == 8
    assert len(curves["train/loss"]) == 2
    assert {key: curves[f"audit/{key}"] for key in figures} == {key: [pytest.approx(figures[key])] for key in figures}
    (page,) = (tmp_path / "wandb").rglob("media/html/**/*.html")
    assert page.read_text() == Path("runs/ng/audit/report.html").read_text()


@pytest.mark.parametrize("run", ["os:x", "mlflow:", "wandb:id", "mlflow"])
def test_a_tracker_of_a_strangers_record_is_refused(run: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=f"Expected mlflow:ID or wandb:PROJECT/ID as the run at a tracker, got '{run}'"
    ):
        log_to_tracker(run, Audit("a", {}, {}, None), tmp_path / "report.html")


def test_a_tracker_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="Expected wandb to log to wandb:a/b, got an environment without it"):
        trackers.check_tracker("wandb:a/b")


def test_a_training_whose_tracker_cannot_be_reached_writes_nothing(tmp_path: Path) -> None:
    opened = []

    class Unreachable(WandbLogger):
        def __init__(self) -> None:
            """Without wandb."""

        @property
        def experiment(self) -> Any:
            opened.append(1)
            raise ConnectionError("No route\n to the server.")

    trainer = UnlearningTrainer(
        run=str(tmp_path / "run"), max_epochs=1, accelerator="cpu", logger=Unreachable(), enable_progress_bar=False
    )
    data = UnlearningData(FewDigits(train_size=16, image_size=8), batch_size=8)
    with pytest.raises(
        InputError, match=r"Expected Unreachable to reach its tracker, got: No route to the server\. Corr"
    ):
        trainer.fit(Classifier(backbone="resnet9_slim", num_classes=10), datamodule=data)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").touch()
    with pytest.raises(InputError, match="Choose another `run`"):
        trainer.fit(Classifier(backbone="resnet9_slim", num_classes=10), datamodule=data)
    assert len(opened) == 1  # a folder that is refused leaves no empty run at the tracker
