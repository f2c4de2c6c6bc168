"""Progress of loops: what is left follows from what was done, and Lightning's loops count their images."""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from interrupted import train
from tiny import LEARNERS, make_data

from unlearning_pl.evaluation.relearning import relearning_epochs
from unlearning_pl.training import progress_log
from unlearning_pl.training.progress_log import Progress, ProgressLog, format_rate, format_seconds
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT


def test_time_left_and_rate_follow_from_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    progress = Progress("Embedding", 10, clock=lambda: now)
    with caplog.at_level(logging.INFO, "unlearning_pl"):
        for now in (0.3, 0.4, 0.6, 1.0, 1.2):  # noqa: B007  the clock reads it
            progress.advance(50)
    assert [record.message for record in caplog.records] == [
        "Embedding: 30 %, 250 images/s, 1 s left",
        "Embedding: 50 %, 208 images/s, 1 s left",
    ]
    assert all(record.transient for record in caplog.records)


def test_time_left_of_a_resumed_loop_follows_from_what_was_done_since() -> None:
    seconds = iter([0.0, 10.0])
    progress = Progress("Training", 100, clock=lambda: next(seconds), done=50)
    progress.rounds, progress.units = 60, 20
    assert progress.describe() == "Training: 60 %, 2 images/s, 40 s left"


def test_a_loop_without_a_known_end_has_its_rate() -> None:
    seconds = iter([0.0, 10.0])
    progress = Progress("Training", float("inf"), clock=lambda: next(seconds))
    progress.units = 20
    assert progress.describe() == "Training: 2 images/s"


def test_long_rounds_leave_a_line_each_but_for_the_last(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    progress = Progress("Demo", 3, "commands", clock=lambda: now)
    with caplog.at_level(logging.INFO, "unlearning_pl"):
        for now in (120.0, 240.0, 360.0):  # noqa: B007  the clock reads it
            progress.finish_round()
    lines = ["Demo: 33 %, 30 commands/h, 4 min left", "Demo: 66 %, 30 commands/h, 2 min left"]
    assert [record.message for record in caplog.records] == lines
    assert not any(hasattr(record, "transient") for record in caplog.records)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(12345, "12 345 x/s"), (99.7, "100 x/s"), (9.4, "9.4 x/s"), (0.5, "30 x/min"), (0.0, "0 x/h")],
)
def test_rates_have_few_digits(rate: float, expected: str) -> None:
    assert format_rate(rate, "x") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(89, "89 s"), (91, "2 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")]
)
def test_durations_have_one_unit_or_two(seconds: float, expected: str) -> None:
    assert format_seconds(seconds) == expected


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Progress]]:
    """Every progress that is begun."""
    begun: list[Progress] = []

    class Noted(Progress):
        def __init__(self, label: str, total: float, **options: Any) -> None:
            super().__init__(label, total, **options)
            begun.append(self)

    monkeypatch.setattr(progress_log, "Progress", Noted)
    return begun


def test_an_embedding_counts_every_batch_and_image(made: list[Progress]) -> None:
    data = make_data()
    trainer = UnlearningTrainer(devices=1, accelerator="cpu", callbacks=ProgressLog("Embedding"), **SILENT)
    trainer.embed({"one": LEARNERS["Classifier"]()}, data, views=2)
    images = sum(len(data.positions(split)) for split in ("retain", "forgotten", "test"))
    assert made[-1].units == images
    assert made[-1].rounds == made[-1].total > 1
    assert made[-1].label == "Embedding"


def test_relearning_counts_the_forget_images_of_each_epoch(made: list[Progress]) -> None:
    data = make_data()
    data.load()
    learner, original = LEARNERS["Classifier"](), LEARNERS["Classifier"]()
    for parameter in original.parameters():
        parameter.data.mul_(0.0)
    epochs = relearning_epochs(learner, original, data, 2, accelerator="cpu")
    progress = made[-1]
    assert progress.label == "Relearning"
    assert progress.rounds == progress.total * ((2 if epochs is None else epochs) / 2)
    assert progress.units >= progress.rounds


def test_a_training_counts_its_steps_and_goes_on_from_those_of_the_run(
    made: list[Progress], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []
    with caplog.at_level(logging.INFO, "unlearning_pl"):
        for epochs, ckpt_path in ((2, None), (3, "last")):
            log = ProgressLog("Training", epochs=True)
            train(tmp_path / "run", max_epochs=epochs, schedule="constant", ckpt_path=ckpt_path, callbacks=[log])
            ended.append(made[-1])
    first, second = ended
    assert (first.rounds, first.total, first.label[:22]) == (10, 10, "Training, epoch 2 of 2")
    assert (second.rounds, second.total, second.label[:22]) == (15, 15, "Training, epoch 3 of 3")
    assert 2 * second.units == first.units > 0
    ends = [record.message for record in caplog.records if " ended, train/loss " in record.message]
    assert [end[:24] for end in ends] == ["Training: epoch 2 ended,", "Training: epoch 3 ended,"]


def test_images_are_those_of_all_processes() -> None:
    log, batch = ProgressLog("Embedding"), SimpleNamespace(index=range(5))
    trainer = SimpleNamespace(num_predict_batches=[4], num_training_batches=4, max_epochs=1, world_size=3)
    trainer.max_steps, trainer.accumulate_grad_batches, trainer.global_step = -1, 1, 0
    log.on_predict_start(trainer, None)
    log.on_predict_batch_end(trainer, None, None, batch)
    assert log.progress.units == 15
    log.on_train_start(trainer, None)
    log.on_train_batch_end(trainer, None, None, {"retain": batch, "forget": batch})
    assert log.progress.units == 30
