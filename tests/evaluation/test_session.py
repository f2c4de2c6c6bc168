"""A notebook: fit, unlearn and audit in one process, three times in other settings, are what fresh processes do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from evaluation.session import ROUNDS, take
from tiny import make_data

ENVIRONMENT = {**{k: v for k, v in os.environ.items() if k != "PL_GLOBAL_SEED"}, "OMP_NUM_THREADS": "1"}


def in_a_fresh_process(number: int, folder: Path) -> dict[str, Any]:
    script = str(Path(__file__).with_name("session.py"))
    command = [sys.executable, "-W", "ignore", script, str(folder), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


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
