"""Commands on tiny digits, in process."""

import pytest
from tiny import allowing

from unlearning_pl.commands.main import main

TINY = (
    "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1 "
)
SIMCLR = f"--model SimCLR --model.backbone resnet9_slim {TINY}"
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"


def command(words: str) -> int:
    return main(allowing(words.split()))


def error(capsys: pytest.CaptureFixture[str], code: int, expected: int = 2) -> str:
    """The one line that a mistake gets."""
    assert code == expected
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("unlearning-pl: error: ")
    return lines[0]
