"""The messages of Lightning that a user sees: no advertisement, and every warning."""

import inspect
import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import lightning
import pytest

from unlearning_pl.commands.main import main
from unlearning_pl.quiet_libraries import HIDDEN, ONCE, quiet_libraries

LIGHTNING = "lightning.pytorch.utilities.rank_zero"
TINY = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"


class Collect(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What Lightning's loggers hand to the handlers of the terminal."""
    handler, loggers = Collect(), [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield handler.messages
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_training_an_unlearning_and_an_audit_advertise_nothing(
    shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit = f"fit --model SimCLR --model.backbone resnet9_slim {TINY} {SHORT}"
    assert main(fit.split()) == 0
    unlearn = f"unlearn --original runs/original --method NegGrad --forget.count 8 --allow tiny {SHORT}"
    assert main(unlearn.split()) == 0
    audit = "audit --model runs/neg_grad --original runs/original --views 2 --relearning 1 --accelerator cpu"
    assert main([*audit.split(), "--allow", "tiny"]) == 0
    assert shown == []


def test_warnings_and_other_messages_stay(shown: list[str]) -> None:
    quiet_libraries()
    quiet_libraries()
    logger = logging.getLogger(LIGHTNING)
    for message in ("GPU available: False, used: False", "💡 Tip: try litlogger", "Restoring states from last.ckpt"):
        logger.info(message)
    logger.warning("GPU available: False, used: True")
    for _ in range(2):
        logger.info("GPU available: True (cuda), used: True")
    assert shown == [
        "Restoring states from last.ckpt",
        "GPU available: False, used: True",
        "GPU available: True (cuda), used: True",
    ]


def test_lightning_still_says_what_is_hidden() -> None:
    """A new version of Lightning with other words would let them through."""
    folder = Path(inspect.getfile(lightning)).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    for name, beginnings in [*HIDDEN.items(), *ONCE.items()]:
        assert import_module(name)
        for beginning in beginnings:
            fixed = beginning.replace("False", "").replace("16bit", "").replace("bfloat16", "").strip("[ ")
            assert fixed.split("`max")[0].removeprefix("Using ") in source, beginning
