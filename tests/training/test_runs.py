from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from tiny import make_learner

from unlearning_pl.errors import InputError
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.weights import load_weights


def test_weights_of_another_family_are_told(tmp_path: Path) -> None:
    torch.save({"state_dict": make_learner("BYOL").state_dict()}, tmp_path / "byol.ckpt")
    with pytest.raises(
        InputError, match=r"weights of a SimCLR.* with other names: 4 are missing .* 89 are superfluous"
    ):
        load_weights(make_learner("SimCLR"), tmp_path / "byol.ckpt")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "owned",)

    torch.save({"state_dict": {}, "evil": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match=r"a pickle that runs \S+\. Nothing of it was run"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_without_weights_is_told(tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="without one"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_run_of_a_program_is_told_from_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Give one that fit or unlearn wrote\."):
        runs.read_config(tmp_path)
    (tmp_path / runs.RECORD).touch()
    with pytest.raises(
        InputError, match=r"as a run of a Python program\. Audit the model in the program by Unlearning"
    ):
        runs.open_data(tmp_path)


def test_a_configuration_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: [unclosed")
    with pytest.raises(InputError, match="keys model and data"):
        runs.read_config(tmp_path)


@pytest.mark.parametrize("classes", ["[002, 1e3, yes]", "['002', '1e3', 'yes']"])
def test_names_in_a_configuration_are_text(classes: str, tmp_path: Path) -> None:
    forget = f"forget: {{classes: {classes}}}"
    (tmp_path / "config.yaml").write_text(f"model: {{class_path: SimCLR}}\ndata: {{{forget}}}\n{forget}")
    assert runs.read_config(tmp_path)["forget"] == {"classes": ["002", "1e3", "yes"]}
    assert runs.instantiate_from_run(tmp_path, "data").forget.classes == ["002", "1e3", "yes"]


def test_weights_that_are_not_finite_are_told(tmp_path: Path) -> None:
    learner = make_learner("SimCLR")
    state = learner.state_dict() | {"backbone.0.weight": torch.full_like(learner.backbone[0].weight, torch.nan)}
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=r"finite weights, got NaN or infinity in backbone\.0\.weight"):
        load_weights(learner, tmp_path / "a.ckpt")


@pytest.mark.parametrize("text", ["{", "[1]", '{"seconds": "x"}', '{"seconds": 1, "command": 3}'])
def test_a_damaged_record_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        runs.read_record(tmp_path)


def test_a_source_tree_that_is_not_installed_has_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "unlearning-pl":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(runs, "version", version)
    versions = runs.environment()["versions"]
    assert (versions["unlearning-pl"], versions["torch"]) == ("not installed", "1.0")
