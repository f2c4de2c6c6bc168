"""Events read back by TensorBoard's own readers."""

from dataclasses import replace
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
from unlearning_pl.report.tensorboard import SORTED_BY
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict

KINDS = {"scores", "roc"}


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


def tags(folder: Path) -> set[str]:
    found = events(folder).Tags()
    return {tag for kind in ("scalars", "images", "tensors") for tag in found[kind]}


def text_of(found: EventAccumulator) -> str:
    (event,) = found.Tensors("verdict/audit/text_summary")
    return str(event.tensor_proto.string_val[0].decode())


def test_an_audit_is_a_text_two_images_and_a_few_numbers(tmp_path: Path, audits: list[Audit]) -> None:
    log_to_tensorboard(tmp_path, audits[2], step=30, references=audits)
    found = events(tmp_path)
    scalars = set(found.Tags()["scalars"])
    assert scalars == {f"verdict/{key}" for key in SORTED_BY & audits[2].metrics.keys()}
    assert len(scalars) <= 6
    for tag in scalars:
        (event,) = found.Scalars(tag)
        assert event.step == 30
        assert event.value == pytest.approx(audits[2].metrics[tag.partition("/")[2]], rel=1e-6)
    assert set(found.Tags()["images"]) == {f"verdict/{kind}" for kind in KINDS}
    for kind in KINDS:
        (image,) = found.Images(f"verdict/{kind}")
        (tmp_path / "figure.png").write_bytes(image.encoded_image_string)
        with Image.open(tmp_path / "figure.png") as picture:
            assert len(picture.getcolors(maxcolors=1 << 20)) > 50  # not a blank page


def test_the_text_has_the_verdict_and_a_table(tmp_path: Path, audits: list[Audit]) -> None:
    odd = replace(audits[2], name="a_b|c*")
    log_to_tensorboard(tmp_path, odd, references=[*audits[:2], odd])
    title, *sentences, table = text_of(events(tmp_path)).split("\n\n")
    assert title == r"**a\_b\|c\***"
    assert sentences == [describe_verdict(odd), describe_attack(odd), describe_power(odd)]
    head, rule, *rows = table.splitlines()
    assert head == r"| Metric | a\_b\|c\* | original | retrained |"
    assert rule.count("---") == 4
    assert f"| Test accuracy | {odd.metrics['test_accuracy']:.1f} % |" in "\n".join(rows)
    assert 5 < len(rows) < 20


def test_training_comes_before_the_audit(tmp_path: Path, audits: list[Audit]) -> None:
    run = tmp_path / "ac"
    make_trainer(run, max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    training = tags(run)
    log_to_tensorboard(run, audits[2], references=audits)
    assert training
    assert max(training) < min(tags(run) - training)


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
    (event,) = events(tmp_path).Scalars("verdict/seconds")
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
    assert {info.name.tag for info in experiment.metric_infos} == {"verdict/membership_auc"}
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
    assert "verdict/membership_auc" in metrics
    assert "hp_metric" not in metrics
    assert {info.name for info in experiment.hparam_infos} == {"method", "epochs"}
