"""Errors of configured classes are one line that names them, before the first step where that can be known."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError
from unlearning_pl.methods import GradientAscent, GradientPenalty

DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --schedule constant"
FIT = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {QUIET} --run run"
CALLBACKS = "lightning.pytorch.callbacks"


class Steps(Callback):
    """Count steps, and log a metric of its own."""

    def __init__(self, name: str = "own") -> None:
        self.name, self.steps = name, 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.steps += 1
        pl_module.log(self.name, float(self.steps), on_step=False, on_epoch=True, batch_size=1)


class Fails(Callback):
    """A user's own class, with a bug."""

    def on_train_batch_end(self, *_: Any) -> None:
        raise ValueError("a bug")


def fit(callbacks: list[Any], run: Path | None = None, **options: Any) -> None:
    learner = make_learner("SimCLR")
    optimizer, schedule = options.pop("optimizer", None), options.pop("schedule", "constant")
    if optimizer is not None:
        learner.optimize_with(optimizer, schedule)
    data = make_data(validation=options.pop("validation", 0.1))
    make_trainer(run, callbacks=callbacks, **{"max_epochs": 1, **options}).fit(learner, datamodule=data)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EarlyStopping("val_loss"), "as monitor of EarlyStopping, got val_loss. Did you mean validation/loss"),
        (ModelCheckpoint(monitor="train/los"), "as monitor of ModelCheckpoint, got train/los. Did you mean train/loss"),
        (EarlyStopping("validation/accuracy"), "got validation/accuracy. Did you mean validation/loss"),
        (EarlyStopping("step"), "got step"),
        (EarlyStopping("lr_typo"), "got lr_typo"),
    ],
)
def test_a_metric_that_nothing_logs_is_refused_before_anything(callback: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        fit([callback], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_held_out_images_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"Expected held-out images for monitor = validation/loss of EarlyStopping"):
        fit([EarlyStopping("validation/loss")], validation=0.0)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists")
@pytest.mark.filterwarnings("ignore:.*was configured without a filename")
@pytest.mark.parametrize("monitor", ["train/loss", "validation/loss", "own"])
def test_metrics_that_are_logged_are_monitored(monitor: str, tmp_path: Path) -> None:
    fit([Steps(), EarlyStopping(monitor, strict=True), ModelCheckpoint(monitor=monitor)], tmp_path / "run")


def test_a_learning_rate_is_monitored_where_one_is_logged(tmp_path: Path) -> None:
    fit([EarlyStopping("lr", check_on_train_epoch_end=True)], tmp_path / "run", logger=True)
    with pytest.raises(InputError, match="got lr"):
        fit([EarlyStopping("lr")], tmp_path / "other", logger=False)


def test_the_rate_of_two_groups_is_monitored_under_the_name_of_one(tmp_path: Path) -> None:
    learner, data = make_learner("CLIP"), make_data()
    stops: Any = partial(EarlyStopping, check_on_train_epoch_end=True)
    make_trainer(tmp_path / "run", max_epochs=1, callbacks=[stops("lr/pg2")]).fit(learner, datamodule=data)
    with pytest.raises(InputError, match="got lr"):
        make_trainer(tmp_path / "other", callbacks=[stops("lr")]).fit(learner, datamodule=data)
    assert not (tmp_path / "other").exists()


def test_terms_of_methods_are_monitored(tmp_path: Path) -> None:
    fit([GradientPenalty(), EarlyStopping("train/forget_gradient_norm")])
    with pytest.raises(InputError, match=r"trainer.callbacks with which EarlyStopping works, got: .*`train/nothing`"):
        fit([GradientAscent(), EarlyStopping("train/nothing")])


def test_a_name_that_a_users_callback_does_not_log_is_one_line(tmp_path: Path) -> None:
    steps = Steps()
    with pytest.raises(InputError, match=r"with which EarlyStopping works, got: Early stopping .*`val_loss`.*`own`"):
        fit([steps, EarlyStopping("val_loss")], tmp_path / "run")
    assert steps.steps > 0  # nobody could know
    assert not (tmp_path / "run").exists()


def test_a_bug_of_the_user_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="a bug") as caught:
        fit([Fails()])
    assert not isinstance(caught.value, InputError)


def test_an_error_within_the_objective_is_not_the_optimisers() -> None:
    class Objective(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            def fail(learner: Any, batch: Any) -> None:
                raise RuntimeError("of the objective")

            pl_module.objective = fail

    with pytest.raises(RuntimeError, match="of the objective"):
        fit([Objective()])


class NoRate(torch.optim.Optimizer):
    """An optimiser that finds its learning rate, as Adafactor of transformers does."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": None})


class NoGroups(torch.optim.SGD):
    """Takes parameters alone, and has a weight decay."""

    def __init__(self, parameters: Any) -> None:
        super().__init__([parameter.requires_grad_() for parameter in parameters], lr=0.1)


@pytest.mark.parametrize(
    ("optimizer", "schedule", "message"),
    [
        (partial(torch.optim.SparseAdam, lr=0.1), "constant", "take a step here, got SparseAdam: .* dense gradients"),
        (partial(torch.optim.Adam, capturable=True), "constant", "take a step here, got Adam: If capturable=True"),
        (torch.optim.LBFGS, "constant", "trainer.channels_last = false with LBFGS"),
        (NoRate, "cosine", 'a learning rate that `schedule="cosine"` can drive, got NoRate with None.*`lr`'),
    ],
)
def test_optimisers_that_cannot_work_are_refused_before_the_first_step(
    optimizer: Any, schedule: str, message: str
) -> None:
    steps = Steps()
    with pytest.raises(InputError, match=message):
        fit([steps], optimizer=optimizer, schedule=schedule)
    assert steps.steps == 0


def test_an_optimiser_without_groups_decays_all_or_is_refused() -> None:
    learner, data = make_learner("SimCLR"), make_data()
    learner.optimize_with(NoGroups)
    make_trainer(max_epochs=1).fit(learner, datamodule=data)
    learner.optimize_with(NoGroups, weight_decay_on="matrices")
    with pytest.raises(
        InputError, match=r"for `weight_decay_on=\"matrices\"`, got NoGroups: .*Choose `weight_decay_on=\"all\"`"
    ):
        make_trainer(max_epochs=1).fit(learner, datamodule=data)


@pytest.mark.parametrize("name", ["SimCLR", "MoCo"])
def test_lbfgs_trains_in_the_default_memory_format(name: str) -> None:
    learner = make_learner(name)
    learner.optimize_with(partial(torch.optim.LBFGS, max_iter=2))
    before = [value.clone() for value in learner.parameters()]
    make_trainer(max_epochs=1, channels_last=False).fit(learner, datamodule=make_data())
    assert any(not torch.equal(ours, theirs) for ours, theirs in zip(learner.parameters(), before, strict=True))


class Unreadable(Callback):
    """A state that no checkpoint can be read with, from the start."""

    def state_dict(self) -> dict[str, Any]:
        return {"place": Path("x")}


def test_a_state_that_cannot_be_saved_is_refused_before_the_first_step(tmp_path: Path) -> None:
    steps = Steps()
    with pytest.raises(InputError, match="state of the callback Unreadable"):
        fit([steps, Unreadable()], tmp_path / "run")
    assert steps.steps == 0


def test_a_time_ends_a_run_of_constant_rate(tmp_path: Path) -> None:
    fit([], tmp_path / "run", max_epochs=-1, max_time={"seconds": 1})
    fit([Timer(duration={"seconds": 0})], max_epochs=-1)
    with pytest.raises(
        InputError, match=r"Expected `schedule=\"constant\"` for a run that trainer.max_time alone ends"
    ):
        fit([], max_epochs=-1, max_time={"seconds": 1}, optimizer=partial(torch.optim.SGD, lr=0.1), schedule="cosine")
    fit([], max_epochs=1, max_time={"seconds": 9}, optimizer=partial(torch.optim.SGD, lr=0.1), schedule="cosine")
    with pytest.raises(InputError, match=r"Set one of them, or trainer\.max_time"):
        fit([], max_epochs=-1)


def command(words: str, callback: str | None = None, **arguments: Any) -> int:
    if callback is not None:
        settings = [{"class_path": f"{CALLBACKS}.{callback}", "init_args": arguments}]
        Path("c.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": settings}}))
        words += " --config c.yaml"
    return main(words.split())


@pytest.mark.parametrize(
    ("callback", "arguments", "message"),
    [
        (
            "EarlyStopping",
            {"monitor": "train/loss", "mode": "up"},
            "with which EarlyStopping works, got: `mode` can be",
        ),
        (
            "ModelCheckpoint",
            {"save_top_k": -3},
            "with which ModelCheckpoint works, got: Invalid value for save_top_k=-3",
        ),
        ("EarlyStoping", {"monitor": "a"}, "Expected a class for trainer.callbacks, got"),
        ("LearningRateFinder", {}, "with which LearningRateFinder works, got: When using"),
    ],
)
def test_a_mistake_in_a_callback_gets_one_line_that_names_it(
    callback: str, arguments: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(FIT, callback, **arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in line
    assert not Path("run").exists()


def test_lightnings_timer_is_configured_by_its_duration_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(f"{FIT} --trainer.max_epochs 1", "Timer", duration="00:00:01:00") == 0
    assert "interval: step" in Path("run/config.yaml").read_text()


@pytest.mark.parametrize("words", ["--run ${oc.env:HOME}/x", "--config e.yaml", "--data.source.train_size ${N}"])
def test_interpolation_is_refused_by_name(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.yaml").write_text("run: ${oc.env:HOME}/x\n")
    assert command(f"{FIT} {words}") == 2
    assert "${" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["e.yaml"]
    assert command("audit --model ${RUN}") == 2
    assert "got model = ${RUN}" in capsys.readouterr().err
