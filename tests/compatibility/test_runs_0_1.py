"""Run folders that version 0.1 wrote are audited, resumed and unlearned from.

They lie in ``runs_0_1`` as it wrote them, but for the checkpoints: of these the structure is kept as JSON, and every
tensor is filled with random numbers of its shape and type.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_learner
from torch import Tensor

from unlearning_pl.commands.main import main
from unlearning_pl.methods import CoUn
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import CHECKPOINT, read_checkpoint

WRITTEN = Path(__file__).parent / "runs_0_1"
DIGEST = "9830364c7f8eb37b2cfda3833fafc3b53e13adea48e59eddbe843495dc69842a"  # of the original's checkpoint then
CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false"
UNLEARN = f"unlearn --original original --forget.count 8 --method GradientPenalty --trainer.max_epochs 3 {CPU}"
AUDIT = "--original original --views 2 --relearning 0 --accelerator cpu"
pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is deprecated and was renamed to .*; version 0.3 removes:FutureWarning"
)


def filled(value: Any) -> Any:
    """A part of a checkpoint with tensors in the place of their shapes."""
    if isinstance(value, list):
        return [filled(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "items" in value:
        return {key: filled(part) for key, part in value["items"]}
    if "tensor" in value:
        name, shape = value["tensor"]
        return (
            torch.tensor(value["value"], dtype=getattr(torch, name)).reshape(shape) if "value" in value else rand(shape)
        )
    return {key: filled(part) for key, part in value.items()}


def rand(shape: list[int]) -> Tensor:
    return torch.rand(shape) * 0.1 if len(shape) < 2 else torch.randn(shape) * 0.1


@pytest.fixture
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digest = DIGEST
    for name in ("original", "interrupted", "scaffolded"):
        shutil.copytree(WRITTEN / name, name)
        text = Path(name, "checkpoint.json").read_text().replace(DIGEST, digest)
        Path(name, "checkpoints").mkdir()
        torch.save(filled(json.loads(text)), Path(name, CHECKPOINT))
        if name == "original":
            digest = hashlib.sha256(Path(name, CHECKPOINT).read_bytes()).hexdigest()


@pytest.mark.usefixtures("_folders", "_undrawn")
def test_an_interrupted_run_goes_on_and_is_audited() -> None:
    words = "--run interrupted --method.of loss --method.at views --plugins+=CoUn --trainer.checkpoint_minutes 0"
    assert main(f"{UNLEARN} {words} --ckpt_path auto".split()) == 0
    record = runs.read_record("interrupted")
    before = json.loads((WRITTEN / "interrupted/checkpoint.json").read_text())
    assert (record["epochs"], record["steps"]) == (3, 9)
    assert record["seconds"] > before["callbacks"]["Stopwatch"]["seconds"]
    assert main(f"audit --model interrupted {AUDIT}".split()) == 0
    report = json.loads(Path("interrupted/audit/report.json").read_text())
    assert [audit["name"] for audit in report["audits"]] == ["interrupted", "original"]


@pytest.mark.usefixtures("_folders")
def test_what_a_method_added_to_the_model_is_resumed() -> None:
    saved = read_checkpoint("scaffolded")["scaffold"]
    learner = make_learner("SimCLR")
    method = CoUn(projection_dim=16)
    method.prepare(learner, None)  # type: ignore[arg-type]
    checkpoint = read_checkpoint("scaffolded")
    learner.on_load_checkpoint(checkpoint)
    learner.load_state_dict(checkpoint["state_dict"])
    for name, value in learner.auxiliary_modules.state_dict().items():
        assert torch.equal(value, saved[f"scaffold.{name}"])
    words = "--run scaffolded --plugins+=CoUn --plugins.projection_dim 16 --trainer.checkpoint_minutes 0"
    assert main(f"{UNLEARN} {words} --ckpt_path auto".split()) == 0


@pytest.mark.usefixtures("_folders")
def test_another_run_starts_from_an_original_of_then() -> None:
    assert main(f"{UNLEARN} --run new --forget.seed 3".split()) == 0
    written = runs.read_config("new")
    assert written["data"]["views"]["class_path"] == "unlearning_pl.data.augment.view_policies.JitterViews"
    assert runs.open_data("new").splits.forget.tolist() != runs.open_data("interrupted").splits.forget.tolist()
    assert main(f"validate --run original {CPU}".split()) == 0


@pytest.mark.usefixtures("_folders")
def test_another_setting_is_refused_by_its_name_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--run interrupted --method.of similarity --plugins+=CoUn --trainer.checkpoint_minutes 0"
    assert main(f"{UNLEARN} {words} --ckpt_path last".split()) == 2
    assert "Expected method.score = loss as in interrupted/config.yaml when resuming" in capsys.readouterr().err
