"""A run that `--stop held_out` ends is the same when it was killed and resumed, and on each of two processes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import Asked
from launching import launch
from lightning.pytorch import Callback, LightningModule, Trainer
from training.held_out_in_two_processes import LEARNERS as TOGETHER
from training.held_out_in_two_processes import stopped
from training.stopping import planned, same, stop_of, unlearned

from unlearning_pl.errors import PreemptedError
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.training import held_out_stop
from unlearning_pl.training.held_out_comparison import Comparison, compare


@pytest.mark.usefixtures("always_apart")
@pytest.mark.parametrize(("name", "killed"), [("MoCo", 2), ("MoCo", 3), ("MoCo", 4), ("Classifier", 3), ("BYOL", 4)])
def test_a_run_that_was_killed_ends_with_the_same_bits(
    name: str, killed: int, held_out_originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned so that step 3 is the best and step 5 the last: killed before, between and at the decisions."""
    aucs = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.52, 4: 0.6, 5: 0.3}
    real = compare

    def found(trainer: Trainer, learner: Any) -> Comparison:
        real(trainer, learner)  # it must not disturb what the steps draw
        return Comparison(1.0, 0.0, AucDifference(aucs[trainer.global_step], 0.5, 0.001))

    monkeypatch.setattr(held_out_stop, "compare", found)
    options = {"stop": "held_out", "stop_every": 1}
    whole, _ = unlearned(held_out_originals[name], tmp_path / "whole", **options)
    with pytest.raises(PreemptedError):
        unlearned(held_out_originals[name], tmp_path / "half", callbacks=[Asked(killed)], **options)
    torch.rand(7)  # a resumed process has drawn other numbers before
    resumed, trainer = unlearned(held_out_originals[name], tmp_path / "half", ckpt_path="auto", **options)
    assert trainer.global_step == 5
    assert stop_of(tmp_path / "half") == stop_of(tmp_path / "whole")
    assert stop_of(tmp_path / "half")["kept"] == 3
    assert same(whole.state_dict(), resumed.state_dict())


def test_a_run_that_was_killed_after_the_decision_takes_no_further_step(
    held_out_originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, [0.9, 0.52, 0.3, 0.9, 0.52, 0.3])
    options = {"stop": "held_out", "stop_every": 1}
    whole, _ = unlearned(held_out_originals["MoCo"], tmp_path / "whole", **options)

    class Fails(Callback):
        def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            raise RuntimeError("killed")

    monkeypatch.setattr(held_out_stop.HeldOutStop, "on_train_end", Fails.on_train_end)
    with pytest.raises(RuntimeError, match="killed"):
        unlearned(held_out_originals["MoCo"], tmp_path / "half", checkpoint_minutes=0, **options)
    monkeypatch.undo()
    resumed, trainer = unlearned(held_out_originals["MoCo"], tmp_path / "half", ckpt_path="last", **options)
    assert trainer.global_step == 2
    assert stop_of(tmp_path / "half") == stop_of(tmp_path / "whole")
    assert same(whole.state_dict(), resumed.state_dict())


def test_a_run_that_has_ended_stays_as_it_is(
    held_out_originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, [0.9, 0.52, 0.3])
    options = {"stop": "held_out", "stop_every": 1}
    ended, _ = unlearned(held_out_originals["SimCLR"], tmp_path / "run", **options)
    before = stop_of(tmp_path / "run")
    again, trainer = unlearned(held_out_originals["SimCLR"], tmp_path / "run", ckpt_path="last", **options)
    assert trainer.global_step == 2
    assert stop_of(tmp_path / "run") == before
    assert same(ended.state_dict(), again.state_dict())
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["callbacks"]["HeldOutStop"]["_weights"] == {}  # they are those of the model


@pytest.mark.ddp
def test_two_processes_decide_alike_and_compare_like_one(held_out_originals: dict[str, Path], tmp_path: Path) -> None:
    runs = {name: str(held_out_originals[name]) for name in TOGETHER}
    launch(Path(__file__).with_name("held_out_in_two_processes.py"), str(tmp_path), json.dumps(runs))
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    for key, run in runs.items():
        one = stopped(key, run, tmp_path / "one")
        assert first[key]["curve"][0] == one["curve"][0]
        assert len({*first[key]["curve"]}) > 1
        assert first[key]["stop"]["reason"]
