"""Events read back by TensorBoard's own readers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from audited import CONTEXT, audited
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.audits import Audit
from unlearning_pl.report import log_to_tensorboard

KINDS = {"scores", "roc", "alignment_before", "alignment_after", "alignment_gap", "map", "probabilities", "losses"}


@pytest.fixture(scope="module")
def audits() -> list[Audit]:
    return audited({"original": 1.0, "retrained": 0.0, "ac": 0.2})


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def hyperparameters(folder: Path) -> tuple[Context, Any]:
    """What TensorBoard's HPARAMS tab makes out of the runs below a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = Context(SimpleNamespace(data_provider=provider, logdir=str(folder)))
    known = context.hparams_metadata(RequestContext(), "")
    return context, context.experiment_from_metadata(RequestContext(), "", True, known, [])


def test_metrics_and_figures_are_written(tmp_path: Path, audits: list[Audit]) -> None:
    log_to_tensorboard(tmp_path, audits[2], step=30, references=audits)
    found = events(tmp_path)
    (ends,) = {audits[2].intervals[key] for key in ["membership_auc"]}
    assert found.Scalars("audit/membership_auc/low")[0].value == pytest.approx(ends[0], rel=1e-6)
    assert {f"audit/{key}" for key in audits[2].metrics} <= set(found.Tags()["scalars"])
    recall = audits[2].class_accuracy["test"]
    assert found.Scalars("audit/test_accuracy/1")[0].value == pytest.approx(recall[1].item(), rel=1e-6)
    for key, value in audits[2].metrics.items():
        (event,) = found.Scalars(f"audit/{key}")
        assert event.step == 30
        assert event.value == pytest.approx(value, rel=1e-6)
    assert set(found.Tags()["images"]) == {f"audit/{kind}" for kind in KINDS}
    for kind in KINDS:
        (image,) = found.Images(f"audit/{kind}")
        (tmp_path / "figure.png").write_bytes(image.encoded_image_string)
        with Image.open(tmp_path / "figure.png") as picture:
            assert len(picture.getcolors(maxcolors=1 << 20)) > 50  # not a blank page


def test_without_references_a_model_is_drawn_alone(tmp_path: Path, audits: list[Audit]) -> None:
    log_to_tensorboard(tmp_path, audits[2])
    found = set(events(tmp_path).Tags()["images"])
    assert found == {f"audit/{kind}" for kind in KINDS - {"alignment_before", "alignment_gap"}}


def test_an_audit_without_scores_has_no_image(tmp_path: Path) -> None:
    log_to_tensorboard(tmp_path, Audit("ac", {"seconds": 1.0}, {}, torch.zeros(0, 0)))
    assert events(tmp_path).Tags()["images"] == []


def test_a_second_audit_takes_the_place_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.training").write_bytes(b"")
    for seconds in (1.0, 2.0):
        audit = Audit("ac", {"seconds": seconds}, {}, torch.zeros(0, 0))
        log_to_tensorboard(tmp_path, audit, settings=CONTEXT["settings"]["ac"])
    kept = sorted(path.name for path in tmp_path.rglob("*"))
    assert len(kept) == 2  # no folder, no third file
    assert kept[0] == "events.out.tfevents.1.training"
    assert kept[1].endswith(".audit")
    (event,) = events(tmp_path).Scalars("audit/seconds")
    assert event.value == 2.0


def test_the_tab_of_hyperparameters_has_every_run_with_its_metrics(tmp_path: Path) -> None:
    settings = {
        "ac": CONTEXT["settings"]["ac"],
        "salun": {"method": {"class_path": "unlearning_pl.methods.SalUn", "init_args": {"share": 0.5, "of": [1, 2]}}},
    }
    for row, (name, own) in enumerate(settings.items()):
        audit = Audit(name, {"membership_auc": 0.5 + row / 10}, {}, torch.zeros(0, 0))
        log_to_tensorboard(tmp_path / name, audit, settings=own)
    context, experiment = hyperparameters(tmp_path)
    names = {"method", "alpha", "lr", "optimizer", "epochs", "share", "of"}  # of both methods
    assert {info.name for info in experiment.hparam_infos} == names
    assert {info.name.tag for info in experiment.metric_infos} == {"audit/membership_auc"}
    assert {info.name.group for info in experiment.metric_infos} == {""}

    request = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    request.col_params.add(metric=experiment.metric_infos[0].name)
    handler = list_session_groups.Handler(RequestContext(), context, "", request)
    found = {
        group.hparams["method"].string_value: group.metric_values[0].value for group in handler.run().session_groups
    }
    assert found == pytest.approx({"AlignmentCalibration": 0.5, "SalUn": 0.6})


def test_the_tab_is_not_that_of_training(tmp_path: Path) -> None:
    run = tmp_path / "ac"
    make_trainer(run, max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    log_to_tensorboard(run, Audit("ac", {"membership_auc": 0.5}, {}, torch.zeros(0, 0)), settings={"epochs": 1})
    _, experiment = hyperparameters(tmp_path)
    metrics = {info.name.tag for info in experiment.metric_infos}
    assert "audit/membership_auc" in metrics
    assert "hp_metric" not in metrics
    assert {info.name for info in experiment.hparam_infos} == {"method", "epochs"}
