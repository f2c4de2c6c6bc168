"""Every method on every learner: finite, seam restored, resumed runs and two processes end with the same weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import LEARNERS, METHODS, PLUGINS, make_data, make_learner, make_method, make_trainer

from unlearning_pl.learners import Learner, plain

NAMES = [*METHODS, *PLUGINS]
PAIRS = [(method, learner) for method in NAMES for learner in LEARNERS]


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in learner.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in before if not torch.equal(before[name], after[name])]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    runs = {}
    for name in LEARNERS:
        runs[name] = tmp_path_factory.mktemp(name) / "original"
        make_trainer(runs[name], max_epochs=1).fit(make_learner(name), datamodule=make_data())
    return runs


@pytest.mark.parametrize(("method", "name"), PAIRS)
def test_trains_and_leaves_the_seam_as_it_was(method: str, name: str, originals: dict[str, Path]) -> None:
    learner, data, trainer = make_learner(name), make_data(), make_trainer()
    trainer.unlearn(learner, data, str(originals[name]), **make_method(method))
    assert torch.isfinite(trainer.callback_metrics["train/loss"])
    assert all(torch.isfinite(value).all() for value in learner.state_dict().values())
    assert learner.objective is plain
    assert data.streams(0) == ("train",)
    assert data.num_views is None
    assert len(trainer.callbacks) == len(make_trainer().callbacks)


@pytest.mark.parametrize(("method", "name"), PAIRS)
def test_resumes_to_the_same_weights(method: str, name: str, originals: dict[str, Path], tmp_path: Path) -> None:
    unbroken = make_learner(name)
    make_trainer(max_epochs=3).unlearn(unbroken, make_data(), str(originals[name]), **make_method(method))

    half = make_trainer(tmp_path / "run", max_epochs=1)
    half.unlearn(make_learner(name), make_data(), str(originals[name]), **make_method(method))
    torch.rand(7)  # a resumed process has drawn other numbers before
    resumed = make_learner(name)
    rest = make_trainer(tmp_path / "run", max_epochs=3)
    rest.unlearn(resumed, make_data(), str(originals[name]), **make_method(method), ckpt_path="last")
    assert rest.global_step == 3 * half.global_step
    assert moved(weights(unbroken), weights(resumed)) == []


@pytest.mark.parametrize(("method", "name"), [pair for pair in PAIRS if pair[1] in ("MoCo", "BYOL")])
def test_no_gradient_reaches_the_momentum_encoder(method: str, name: str, originals: dict[str, Path]) -> None:
    learner = make_learner(name, momentum=1.0)  # with momentum 1 only a gradient or weight decay could move it
    learner.load_state_dict(torch.load(originals[name] / "checkpoints/last.ckpt")["state_dict"])
    slow = [name for name, _ in learner.named_parameters() if "key_encoder" in name or "target_encoder" in name]
    before = weights(learner)
    make_trainer(max_epochs=2).unlearn(learner, make_data(), str(originals[name]), **make_method(method))
    changed = moved(before, weights(learner))
    assert slow
    assert not set(slow) & set(changed)
    assert any(name.startswith("backbone") for name in changed)


@pytest.fixture(scope="module")
def two_processes(originals: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """One launch of two gloo processes trains all pairs; each writes a digest of its weights."""
    folder = tmp_path_factory.mktemp("ddp")
    script = Path(__file__).with_name("two_processes.py")
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    where = {name: str(run) for name, run in originals.items()}
    done = subprocess.run(
        [*launch, "--standalone", str(script), str(folder), json.dumps(where)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    return {pair: [rank[pair] for rank in ranks] for pair in ranks[0]}


@pytest.mark.ddp
@pytest.mark.parametrize(("method", "name"), PAIRS)
def test_two_processes_end_bit_equal(method: str, name: str, two_processes: dict[str, list[str]]) -> None:
    first, second = two_processes[f"{method} {name}"]
    assert first["parameters"] == second["parameters"]
    assert first["rows"] != second["rows"]  # they were not simply fed the same
