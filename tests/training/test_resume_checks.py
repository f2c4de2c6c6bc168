"""A resumed run repeats warm-up and weight decay, also those of a checkpoint that records neither."""

from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import Asked, same, train
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from unlearning_pl.errors import InputError, PreemptedError
from unlearning_pl.learners import optimizer_settings


def test_a_run_resumes_after_a_milestone_which_it_must_repeat(tmp_path: Path) -> None:
    options: Any = {"schedule": "multi_step", "milestones": [1]}
    unbroken, _ = train(None, "Classifier", **options)
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", "Classifier", callbacks=[Asked(7)], **options)
    with pytest.raises(InputError, match=r"Expected `milestones` \[1\] as in .* when resuming, got \[2\]"):
        train(tmp_path / "run", "Classifier", ckpt_path="last", schedule="multi_step", milestones=[2])
    resumed, _ = train(tmp_path / "run", "Classifier", ckpt_path="last", **options)
    assert same(unbroken, resumed)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("step", [2, 4, 9])  # within the warm-up, at its end, after it
def test_a_run_resumes_within_and_after_its_warm_up(schedule: str, step: int, tmp_path: Path) -> None:
    options: Any = {"schedule": schedule, "warmup_steps": 4, "weight_decay_on": "matrices"}
    unbroken, _ = train(None, "Classifier", **options)
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", "Classifier", callbacks=[Asked(step)], **options)
    resumed, _ = train(tmp_path / "run", "Classifier", ckpt_path="last", **options)
    assert same(unbroken, resumed)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    with pytest.raises(PreemptedError):
        train(
            tmp_path / "run", "CLIP", schedule="constant", warmup_steps=2, weight_decay_on="all", callbacks=[Asked(3)]
        )
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"weight_decay_on": "all"},
            r"Expected `warmup_steps=2` as in .* when resuming, got 0\. Give `warmup_steps=2`",
        ),
        ({"weight_decay_on": "all", "warmup_steps": 3}, r"Expected `warmup_steps=2` as in .* got 3\."),
        (
            {"warmup_steps": 2},
            r"Expected `weight_decay_on=\"all\"` as in .* got matrices\. Give `weight_decay_on=\"all\"`, or",
        ),
    ],
)
def test_a_resumed_run_repeats_both(options: dict[str, Any], message: str, stopped: Path) -> None:
    before = (stopped / "checkpoints/last.ckpt").read_bytes()
    with pytest.raises(InputError, match=message) as caught:
        train(stopped, "CLIP", schedule="constant", ckpt_path="last", **options)
    assert "\n" not in str(caught.value)
    assert (stopped / "checkpoints/last.ckpt").read_bytes() == before


def test_a_strangers_checkpoint_is_quoted_on_one_line(stopped: Path) -> None:
    path = stopped / "checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["planned"]["warmup_steps"] = "2\nlines"
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match=r"^Expected `warmup_steps=2`\\nlines as in [^\n]*$"):
        train(stopped, "CLIP", schedule="constant", ckpt_path="last", warmup_steps=2, weight_decay_on="all")


def test_a_run_with_a_warm_up_and_then_a_constant_rate_can_be_extended(stopped: Path) -> None:
    _, trainer = train(
        stopped, "CLIP", schedule="constant", warmup_steps=2, weight_decay_on="all", ckpt_path="last", max_epochs=4
    )
    assert trainer.global_step == 20


def test_a_checkpoint_of_before_goes_on_with_all_parameters_decayed(tmp_path: Path) -> None:
    unbroken, _ = train(None, "CLIP", weight_decay_on="all")
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", "CLIP", weight_decay_on="all", callbacks=[Asked(3)])
    path = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    for name in ("warmup_steps", "weight_decay_on"):
        del checkpoint["planned"][name]
    torch.save(checkpoint, path)
    with pytest.raises(
        InputError, match=r"Expected `weight_decay_on=\"all\"` as in .*last.ckpt when resuming, got matrices"
    ):
        train(tmp_path / "run", "CLIP", ckpt_path="last")
    resumed, _ = train(tmp_path / "run", "CLIP", weight_decay_on="all", ckpt_path="last")
    assert same(unbroken, resumed)


def test_a_stopped_run_of_one_cycle_of_before_goes_on_with_its_momentum_cycled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(optimizer: Optimizer, schedule: str, steps: int, warmup_steps: int) -> OneCycleLR:
        return OneCycleLR(optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=steps)

    with monkeypatch.context() as patch:
        patch.setattr(optimizer_settings, "scheduler", before)
        unbroken, _ = train(None, "Classifier", schedule="one_cycle")
        with pytest.raises(PreemptedError):
            train(tmp_path / "run", "Classifier", schedule="one_cycle", callbacks=[Asked(3)])
    resumed, _ = train(tmp_path / "run", "Classifier", schedule="one_cycle", ckpt_path="last")
    assert same(unbroken, resumed)
    assert not same(unbroken, train(None, "Classifier", schedule="one_cycle")[0])
