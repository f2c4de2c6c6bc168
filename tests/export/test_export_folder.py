"""The libraries that a folder is for load it by themselves, and their models compute what the run does."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from audited import CONTEXT, audited
from safetensors.torch import load_file
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.export.export_folder import write_folder
from unlearning_pl.export.export_run import ExportOptions, export_run
from unlearning_pl.export.hub_models import hub_model
from unlearning_pl.export.model_card import model_card
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners import CLIP, Classifier, Learner, SimCLR
from unlearning_pl.learners.library_models import Preprocessing
from unlearning_pl.report.report_json import build_report
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict
from unlearning_pl.types import Pixels

PIXELS = Pixels((0.5, 0.4, 0.3), (0.25, 0.2, 0.3))
IMAGES = Preprocessing(Resize(64, 73, "bicubic"), PIXELS)


def written(learner: Learner, folder: Path, settings: dict[str, Any] | None = None) -> str:
    """Write the folder of a learner, and return the lines of Python that its card shows, with the folder."""
    for value in learner.state_dict().values():
        if value.is_floating_point():
            value.add_(torch.rand_like(value) / 50)
    model = hub_model(learner.eval(), IMAGES, settings or {})
    write_folder(folder, model, "card")
    return model.code.replace("PATH", str(folder))


def run_code(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def scores(learner: Learner, images: Tensor) -> Tensor:
    found = learner.class_scores(images)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["timm/resnet18.tv_in1k", "test_resnet", "torchvision/mobilenet_v3_small"])
def test_a_classifier_loads_in_its_library(name: str, tmp_path: Path) -> None:
    learner, images = Classifier(name, num_classes=5), torch.rand(2, 3, 64, 64)
    code = written(learner, tmp_path / "folder")
    assert len([line for line in code.splitlines() if line]) <= 4
    model = run_code(code)["model"]
    with torch.no_grad():
        torch.testing.assert_close(model(images), scores(learner, images), rtol=1e-5, atol=1e-5)
    if not name.startswith("torchvision"):
        import timm

        assert timm.create_model(f"local-dir:{tmp_path}/folder").num_classes == 5
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
        steps = {type(step).__name__: step for step in transform.transforms}
        assert (steps["Resize"].size, steps["Resize"].interpolation.value) == (73, "bicubic")
        assert tuple(steps["CenterCrop"].size) == (64, 64)
        assert steps["Normalize"].mean.tolist() == pytest.approx(PIXELS.mean)


def test_clip_loads_in_open_clip(tmp_path: Path) -> None:
    learner, images = CLIP("RN-slim"), torch.rand(2, 3, 64, 64)
    found = run_code(written(learner, tmp_path / "folder"))
    model, tokens = found["model"].eval(), found["tokenizer"](["a cat", "two dogs"])
    assert tokens.shape == (2, learner.context_length)
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(images), learner.features(images), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.encode_text(tokens), learner.embed_text(tokens), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.logit_scale, learner.logit_scale.squeeze())
    assert load_file(tmp_path / "folder/open_clip_model.safetensors")["logit_scale"].shape == ()
    normalise = found["preprocess"].transforms[-1]
    assert tuple(normalise.mean) == PIXELS.mean


def test_any_other_learner_loads_here(tmp_path: Path) -> None:
    settings = {"init_args": {"backbone": "resnet9_slim", "temperature": 0.2}}
    learner = SimCLR(**settings["init_args"])
    loaded = run_code(written(learner, tmp_path / "folder", settings))["learner"]
    images = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(loaded.embed(images), learner.embed(images), rtol=0, atol=0)


def test_a_folder_that_has_files_keeps_them(tmp_path: Path) -> None:
    learner = SimCLR("resnet9_slim")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes").write_text("mine")
    (tmp_path / "folder/README.md").write_text("old")
    written(learner, tmp_path / "folder")
    assert (tmp_path / "folder/notes").read_text() == "mine"
    assert (tmp_path / "folder/README.md").read_text() == "card"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_empty_folder_stays_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may be in it: ``--to .``."""
    monkeypatch.chdir(tmp_path)
    written(SimCLR("resnet9_slim"), Path())
    assert {path.name for path in Path().iterdir()} == {"model.safetensors", "config.json", "README.md"}


def test_a_folder_that_cannot_be_completed_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unlearning_pl.export.export_folder.write_text", fail)
    with pytest.raises(OSError, match="No space left on device"):
        written(SimCLR("resnet9_slim"), tmp_path / "folder")
    assert [*tmp_path.iterdir()] == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original, and a model that was unlearned from it."""
    folder = tmp_path_factory.mktemp("runs")
    learner, data = make_learner("Classifier"), make_data()
    config = {"model": {"class_path": "Classifier", "init_args": {"backbone": "resnet9_slim"}}}
    source = {"class_path": "Digits", "init_args": {"train_size": 48, "image_size": 8}}
    method = {"class_path": "unlearning_pl.methods.NegGrad", "init_args": {"alpha": 0.95}}
    trainer = make_trainer(folder / "original", max_epochs=1)
    trainer.configuration = json.dumps({**config, "data": {"source": source}})
    trainer.fit(learner, datamodule=data)
    trainer = make_trainer(folder / "ac", max_epochs=1)
    trainer.configuration = json.dumps({**config, "data": {"source": source}, "method": method})
    trainer.unlearn(learner, make_data(), original=str(folder / "original"))
    return folder


def card_of(run: Path) -> str:
    return model_card(run, hub_model(make_learner("Classifier"), IMAGES, {}), IMAGES)


def test_the_card_states_counts_method_and_limits_and_no_ids(runs: Path) -> None:
    card = card_of(runs / "ac")
    split = json.loads((runs / "ac/split.json").read_text())
    assert f"8 of {48 - len(split['validation'])} training images were to be forgotten." in card
    assert 'unlearning_pl.methods.NegGrad", "init_args": {"alpha": 0.95}' in card
    assert "- epochs: `1`" in card
    assert "Not audited: no claim is made" in card
    assert "do not publish the model before unlearning" in card
    assert "license:" in card.split("## License")[1]
    assert "license" not in card.split("---")[1]
    assert not [name for name in split["forget"] if name in card]
    assert "Nothing: the model was trained on all of its training images" in card_of(runs / "original")


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_the_card_states_the_verdict_as_the_report_does(memory: float, runs: Path) -> None:
    audits = audited({"original": 0.9, "other": 0.3, "ac": memory, "retrained": 0.0})
    (runs / "ac/audit").mkdir(exist_ok=True)
    report = build_report(audits, {**CONTEXT, "date": "2999-01-01T00:00:00+00:00"})
    (runs / "ac/audit/report.json").write_text(json.dumps(report))
    audit = next(one for one in audits if one.name == "ac")
    card = card_of(runs / "ac")
    for sentence in (describe_verdict(audit), describe_attack(audit), describe_power(audit)):
        assert sentence.partition(" By ")[0] in card
    report["context"]["date"] = "2020-01-01T00:00:00+00:00"  # an audit of what the run held before
    (runs / "ac/audit/report.json").write_text(json.dumps(report))
    assert "Not audited" in card_of(runs / "ac")


def test_a_report_beside_the_run_counts_if_it_names_the_command_of_the_run(runs: Path) -> None:
    """The command forget audits into a folder beside the run."""
    record = json.loads((runs / "ac/run.json").read_text())
    (runs / "ac/run.json").write_text(json.dumps({**record, "command": ["unlearning-pl", "unlearn", "a b"]}))
    for commands, is_audited in ((["unlearning-pl unlearn 'a b'", "unlearning-pl audit"], True), ([], False)):
        context = {**CONTEXT, "date": "2999-01-01T00:00:00+00:00", "commands": commands}
        report = build_report(audited({"ac": 0.6, "retrained": 0.0, "original": 0.9, "other": 0.3}), context)
        (runs / "audit").mkdir(exist_ok=True)
        (runs / "audit/report.json").write_text(json.dumps(report))
        (runs / "ac/audit/report.json").unlink(missing_ok=True)
        assert ("Audited on 2999-01-01" in card_of(runs / "ac")) == is_audited
    (runs / "ac/run.json").write_text(json.dumps(record))
    (runs / "audit/report.json").unlink()


def test_the_folder_of_a_run(runs: Path, tmp_path: Path) -> None:
    (sentence,) = export_run(runs / "ac", tmp_path / "hub", ExportOptions("huggingface", dtype="float16"))
    assert sentence.endswith(str(tmp_path / "hub"))
    assert {path.name for path in (tmp_path / "hub").iterdir()} == {"model.safetensors", "config.json", "README.md"}
    with pytest.raises(InputError, match="which has files"):
        export_run(runs / "ac", tmp_path / "hub", ExportOptions("huggingface"))


def test_a_damaged_verdict_is_one_line(runs: Path) -> None:
    report = build_report(audited({"ac": 0.5, "retrained": 0.0}), {"date": "2999"})
    next(one for one in report["audits"] if one["name"] == "ac")["verdict"].pop("attack")
    (runs / "ac/audit").mkdir(exist_ok=True)
    (runs / "ac/audit/report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=r"Expected a verdict in .*report\.json, got a damaged one\. Audit again"):
        card_of(runs / "ac")
