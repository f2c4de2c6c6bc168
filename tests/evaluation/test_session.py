"""A notebook: fit, unlearn and audit in one process, three times in other settings, are what fresh processes do."""

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation.session import ROUNDS, take
from launching import run_fresh
from tiny import make_data


def in_a_fresh_process(number: int, folder: Path) -> dict[str, Any]:
    printed = run_fresh(Path(__file__).with_name("session.py"), str(folder), str(number))
    return json.loads(printed.splitlines()[-1])


def test_a_session_leaves_nothing_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    data = make_data()  # one data module for the whole session
    order = [0, 1, 2, 0]
    found = [take(number, tmp_path / f"round{place}", data) for place, number in enumerate(order)]
    assert found[3] == found[0]
    for number in range(len(ROUNDS)):
        assert found[number] == in_a_fresh_process(number, tmp_path / f"fresh{number}"), ROUNDS[number]
    digests = {result["unlearned"][0] for result in found[:3]} | {result["original"][0] for result in found[:3]}
    assert len(digests) == 6
