"""A file of weights is an original of unlearn, audit and split, as a run is."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from photo_folders import folder_options, write_photos
from torchvision.models import mobilenet_v3_small

from unlearning_pl.cli.guessed_original import with_guessed_model
from unlearning_pl.commands import split
from unlearning_pl.commands.imported_original import import_original
from unlearning_pl.commands.main import main
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.evaluation.audited_runs import check_run
from unlearning_pl.learners import Learner
from unlearning_pl.splitting.training_features import TrainingFeatures
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import weights_digest

GUESS = "Classifier (backbone torchvision/mobilenet_v3_small, num_classes 3)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, a run unlearned from it directly, and one unlearned from an import of it."""
    place = tmp_path_factory.mktemp("originals")
    write_photos(place / "photos" / "train")
    write_photos(place / "photos" / "test", 2, seed=1)
    torch.manual_seed(0)
    torch.save(mobilenet_v3_small(num_classes=3).state_dict(), place / "w.pt")
    data = [*folder_options(place / "photos"), "--data.batch_size", "6", "--data.source.image_size", "32"]
    quick = ["--forget.ids", "[cat/1.png, dog/2.png]", "--trainer.max_epochs", "1", "--optimizer.lr", "0.001"]
    file = str(place / "w.pt")
    assert main(["unlearn", "--original", file, "--run", f"{place}/runs/direct", *data, *quick]) == 0
    assert main(["import", file, "--run", f"{place}/imported/w", *data]) == 0
    unlearn = ["unlearn", "--original", f"{place}/imported/w", "--run", f"{place}/imported/ft"]
    assert main([*unlearn, *quick]) == 0
    return place


def test_the_model_of_a_file_is_guessed_and_said(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.cli.guessed_original.rank_zero_info", notes.append)
    assert runs.read_config(made / "runs/direct")["model"]["init_args"]["backbone"] == "torchvision/mobilenet_v3_small"
    words = ["unlearn", "--original", f"{made}/w.pt", "--run", str(tmp_path / "run"), *folder_options(made / "photos")]
    assert main([*words, "--forget.count", "2", "--trainer.fast_dev_run", "1", "--data.batch_size", "4"]) == 0
    assert notes == [
        f"Model: {GUESS}, by the names and shapes of its tensors.",
        "Images: shorter side 256, bilinear, centre 224, as the model's own evaluation transform.",
    ]


def test_a_model_that_is_named_is_not_guessed(made: Path) -> None:
    words = ["unlearn", "--original", f"{made}/w.pt", "--model", "Classifier"]
    assert with_guessed_model(words, lambda words: pytest.fail("parsed to follow a guess")) == words


def test_audit_imports_the_file_beside_the_run_once(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", "--model", f"{made}/runs/direct", "--original", f"{made}/w.pt"]
    assert main([*words, "--views", "2", "--relearning", "0"]) == 0
    shown = capsys.readouterr().out
    assert f"Original: {made}/runs/w, with the weights of {made}/w.pt (names: the library's own model)." in shown
    assert "by the names and shapes" not in shown  # the run names the model
    audits = json.loads((made / "runs/direct/audit/report.json").read_text())["audits"]
    assert [audit["name"] for audit in audits] == ["direct", "original"]
    settings = json.loads((made / "runs/direct/audit/report.json").read_text())["context"]["settings"]
    assert settings["original"].keys() == {"model", "imported"}  # no optimizer that took no step
    assert settings["original"]["imported"] == "w.pt"
    before = (made / "runs/w/run.json").stat().st_mtime_ns
    again = import_original(f"{made}/w.pt", f"{made}/runs/direct", [], [], words)
    assert again == made / "runs/w"
    assert f"Original: {made}/runs/w, the import of {made}/w.pt." in capsys.readouterr().out
    assert (made / "runs/w/run.json").stat().st_mtime_ns == before


def test_an_import_of_another_model_is_not_used_again(made: Path, tmp_path: Path) -> None:
    """The same tensors may be another model, whose images are normalised otherwise."""
    runs_folder = shutil.copytree(made / "imported", tmp_path / "runs")
    config = runs_folder / "ft" / "config.yaml"
    config.write_text(config.read_text().replace("torchvision/mobilenet_v3_small", "timm/mobilenetv3_small_100"))
    with pytest.raises(InputError, match=r"Expected no folder at .*/runs/w"):
        import_original(f"{made}/w.pt", f"{runs_folder}/ft", [], [], [])


def test_a_folder_of_other_content_is_no_place_for_the_file(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ft.pt").write_bytes((made / "w.pt").read_bytes())
    code = main(["audit", "--model", f"{made}/imported/ft", "--original", f"{tmp_path}/ft.pt"])
    assert code == 2
    assert f"Expected no folder at {made}/imported/ft" in capsys.readouterr().err


def test_file_and_import_are_one_ancestor(made: Path) -> None:
    direct, imported, run = (str(made / name) for name in ("runs/direct", "imported/ft", "imported/w"))
    assert weights_digest(run) not in runs.lineage(direct)
    for model in (direct, imported):
        check_run("original", run, model, run)
        check_run("unlearned", model, model, run)
    with pytest.raises(InputError, match="Expected the original that"):
        check_run("unlearned", direct, direct, run, [run])  # its weights are no longer those of the file


def test_a_reference_must_not_begin_with_the_file(made: Path, tmp_path: Path) -> None:
    run, direct, retrained = str(made / "imported/w"), str(made / "runs/direct"), str(tmp_path / "retrained")
    words = ["fit", "--config", f"{run}/config.yaml", "--run", retrained, "--weights", run, "--trainer.max_epochs", "1"]
    again = ["--data.train_on", "retain", "--data.forget.file", f"{direct}/split.json", "--optimizer.lr", "0.001"]
    assert main([*words, *again]) == 0
    with pytest.raises(InputError, match="started from weights of a run that did"):
        check_run("retrained", retrained, direct, run)


def test_split_reads_a_file_with_the_images_as_its_model_takes_them(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    extract = split.extract_features

    def record(data: UnlearningData, learner: Learner | None = None) -> TrainingFeatures:
        sizes.append(tuple(data.load()[0].images.shape[-2:]))
        return extract(data, learner)

    monkeypatch.setattr(split, "extract_features", record)
    words = [
        "split",
        "--original",
        f"{made}/w.pt",
        *folder_options(made / "photos"),
        "--output",
        f"{tmp_path}/ids.json",
    ]
    assert main([*words, "--nearest", "train/cat/1.png", "--count", "3"]) == 0
    unlearn = ["unlearning-pl", "unlearn", "--original", f"{made}/w.pt", "--method", "NegGrad"]
    unlearn += ["--forget.file", f"{tmp_path}/ids.json", *folder_options(made / "photos")]
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: {shlex.join(unlearn)}"
    chosen = json.loads((tmp_path / "ids.json").read_text())
    assert sizes == [(224, 224)]
    assert "train/cat/1.png" in chosen["forget"]
    assert len(chosen["forget"]) == 3
    assert chosen["near_duplicates_by"]["vectors"] == f"{made}/w.pt"
    assert main([*words, "--forget.classes", "cat", "--overwrite"]) == 0
    assert len(json.loads((tmp_path / "ids.json").read_text())["forget"]) == 4
    assert main(["split", "--original", f"{made}/w.pt", *folder_options(made / "photos")]) == 2
    assert "Expected a forget request" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe", b"- model"])
def test_a_config_that_names_no_model_is_left_to_the_parser(
    content: bytes, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    assert main(["unlearn", "--original", f"{made}/w.pt", "--config", f"{tmp_path}/a.yaml"]) == 2
    assert capsys.readouterr().err.count("unlearning-pl: error: ") == 1
