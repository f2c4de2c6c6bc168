"""Progress: whole lines on standard error, from rank 0 alone, and only as long as the command runs."""

import logging
import re

import pytest
from lightning.pytorch.utilities import rank_zero_only

from unlearning_pl.audits import compute_audits
from unlearning_pl.commands.progress_lines import progress_lines


def test_an_audit_writes_a_line_for_each_model_and_nothing_to_standard_output(capsys) -> None:  # noqa: ANN001
    with progress_lines():
        compute_audits({"original": {}, "evil\x1b[2J\nname": {}})
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 3
    assert all(re.match(r"\d\d:\d\d:\d\d [A-Z]", line) for line in lines)
    assert lines[1].endswith("Metrics of original, model 1 of 2")
    assert lines[2].endswith(r"Metrics of evil\x1b[2J\nname, model 2 of 2")


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
