"""The four runs of a whole job, which the tests of commands share."""

from pathlib import Path

import pytest
from tiny_commands import SHORT, SIMCLR, command


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four runs of the whole job."""
    runs = tmp_path_factory.mktemp("runs")
    assert command(f"fit {SIMCLR} --run {runs}/original") == 0
    assert command(f"fit {SIMCLR} --run {runs}/retrained --data.train_on retain --data.forget.count 8") == 0
    calibrate = f"--method AlignmentCalibration --method.beta 7 --forget.count 8 {SHORT}"
    assert command(f"unlearn --original {runs}/original --run {runs}/ac {calibrate}") == 0
    plugged = "--plugins+=CoUn --forget.count 8"
    assert command(f"unlearn --original {runs}/original --run {runs}/coun {plugged} {SHORT}") == 0
    return runs


@pytest.fixture
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
