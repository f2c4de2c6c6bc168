"""The progress bar: refreshed by time, with Lightning's own terms."""

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar
from tiny import make_data, make_learner

from unlearning_pl.training import timed_progress_bar, trainer_defaults
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.timed_progress_bar import TimedProgressBar
from unlearning_pl.training.trainer import UnlearningTrainer


def bars(**options: Any) -> list[type]:
    trainer = UnlearningTrainer(accelerator="cpu", max_epochs=1, logger=False, **options)
    return [type(callback) for callback in trainer.callbacks if isinstance(callback, ProgressBar)]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_defaults, "get_console", lambda: SimpleNamespace(is_terminal=True, is_jupyter=False))


def test_where_the_output_is_no_terminal_there_are_log_messages() -> None:
    trainer = UnlearningTrainer(accelerator="cpu", max_epochs=1, logger=False)
    assert bars() == []
    assert [type(callback) for callback in trainer.callbacks if isinstance(callback, ProgressLog)] == [ProgressLog]


@pytest.mark.usefixtures("terminal")
def test_the_users_choice_comes_first() -> None:
    assert bars() == bars(enable_progress_bar=True) == [TimedProgressBar]
    assert bars(enable_progress_bar=False) == bars(barebones=True) == []
    assert bars(callbacks=[TQDMProgressBar()]) == [TQDMProgressBar]


def fit(bar: RichProgressBar, epochs: int, *callbacks: Callback) -> UnlearningTrainer:
    seed_everything(0, verbose=False)
    options: dict[str, Any] = {"enable_model_summary": False, "num_sanity_val_steps": 0, "logger": False}
    trainer = UnlearningTrainer(accelerator="cpu", max_epochs=epochs, callbacks=[*callbacks, bar], **options)
    trainer.fit(make_learner("SimCLR"), datamodule=make_data(batch_size=8))
    return trainer


def test_steps_between_two_refreshes_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs of five steps of 0.2 s: the bar is refreshed with the third, and with the last."""
    now, reads = [100.0], list[tuple[int, str]]()

    class Slow(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            now[0] += 0.2

    def read(self: TimedProgressBar, trainer: Any, module: Any) -> None:
        reads.append((trainer.global_step, "validation" if trainer.validating else "training"))

    monkeypatch.setattr(timed_progress_bar, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(RichProgressBar, "_update_metrics", read)
    fit(TimedProgressBar(), 2, Slow())
    steps = [step for step, _ in reads]
    assert sorted(set(steps)) == [1, 4, 5, 8, 10]  # the first one at once
    assert steps.count(4) == 1


def test_an_epoch_ends_with_the_terms_of_lightnings_bar() -> None:
    shown: dict[type, list[Any]] = {}
    for kind in (TimedProgressBar, RichProgressBar):
        bar = kind()
        terms: list[Any] = []
        update = bar._update_metrics

        def read(trainer: Any, module: Any, bar: Any = bar, terms: list[Any] = terms, update: Any = update) -> None:
            update(trainer, module)
            task = bar.train_progress_bar
            terms.append((trainer.current_epoch, task.completed, bar.get_metrics(trainer, module)))

        bar._update_metrics = read  # type: ignore[method-assign]
        trainer = fit(bar, 2)
        shown[kind] = [terms[-1], [term for term in terms if term[0] == 0][-1]]
        assert float(trainer.callback_metrics["train/loss"]) == shown[kind][0][2]["train/loss"]
    assert shown[TimedProgressBar] == shown[RichProgressBar]
    assert set(shown[TimedProgressBar][0][2]) >= {"train/loss", "validation/loss"}
    assert shown[TimedProgressBar][0][1] == 5
