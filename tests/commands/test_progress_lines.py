"""Progress: whole lines on standard error, from rank 0 alone, and only as long as the command runs."""

import io
import logging
import re
import sys
import time

import pytest
from lightning.pytorch.utilities import rank_zero_only

from unlearning_pl.audits import compute_audits
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.training.progress_log import Progress


def test_an_audit_writes_a_line_for_each_model_and_nothing_to_standard_output(capsys) -> None:  # noqa: ANN001
    with progress_lines():
        compute_audits({"original": {}, "evil\x1b[2J\nname": {}})
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 2
    assert all(re.match(r"\d\d:\d\d:\d\d [A-Z]", line) for line in lines)
    assert lines[0].endswith("Metrics of original, model 1 of 2")
    assert lines[1].endswith(r"Metrics of evil\x1b[2J\nname, model 2 of 2")


def test_afterwards_and_without_it_the_package_is_silent(capsys) -> None:  # noqa: ANN001
    logger = logging.getLogger("unlearning_pl")
    before = logger.level, list(logger.handlers)
    with pytest.raises(ZeroDivisionError), progress_lines():
        raise ZeroDivisionError
    assert (logger.level, logger.handlers) == before
    compute_audits({"original": {}})
    assert capsys.readouterr().err == ""


def test_other_ranks_write_nothing(capsys, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    with progress_lines():
        compute_audits({"original": {}})
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    """A stream that says what it is."""

    def __init__(self, interactive: bool) -> None:
        super().__init__()
        self.interactive = interactive

    def isatty(self) -> bool:
        return self.interactive


def write_progress(seconds: list[float], interactive: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a loop shows that reports at these seconds, before and after a stage of the command."""
    stream, log = Terminal(interactive), logging.getLogger("unlearning_pl.somewhere")
    monkeypatch.setattr(sys, "stderr", stream)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress_lines(), progress_lines():  # a benchmark runs audits
        log.info("before")
        for now in seconds:
            log.info("at %g", now, extra={"transient": True})
        log.info("after")
        log.info("end", extra={"transient": True})
    return re.sub(r"\d\d:\d\d:\d\d ", "", stream.getvalue())


def test_a_log_file_has_a_line_on_a_loop_every_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_progress([1, 29, 30, 31, 59, 61, 200], interactive=False, monkeypatch=monkeypatch)
    assert text == "before\nat 30\nat 61\nat 200\nafter\n"


def test_a_terminal_shows_a_loop_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    clear = "\r\x1b[2K"
    text = write_progress([1, 2], interactive=True, monkeypatch=monkeypatch)
    assert text == f"before\nat 1{clear}at 2{clear}after\nend{clear}"


def test_a_loop_that_has_ended_leaves_the_line_to_what_is_printed_next(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal(interactive=True)
    monkeypatch.setattr(sys, "stderr", stream)
    now = 0.0
    with progress_lines():
        progress = Progress("Embedding", 2, clock=lambda: now)
        for now in (1.0, 1.1):  # noqa: B007  the clock reads it
            progress.advance()
        assert stream.getvalue().endswith("\r\x1b[2K")


def test_a_line_in_place_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    assert "at 1.2" not in write_progress([1.23], interactive=True, monkeypatch=monkeypatch)
