"""Each step says its place among all, and the time left by the plan's own estimate; what is left of one is replaced."""

from pathlib import Path

import pytest

from unlearning_pl.forgetting.forget_plan import ForgetPlan
from unlearning_pl.forgetting.run_steps import run_steps
from unlearning_pl.io import write_json

SECONDS = {"original": 1.0, "preview": 2.0, "unlearned": 300.0, "audit": 40.0, "export": 5.0}


def ran(plan: ForgetPlan) -> list[list[str]]:
    """The commands of a plan; a training leaves its record."""
    called: list[list[str]] = []

    def command(words: list[str]) -> None:
        called.append(words)
        if words[0] in ("import", "unlearn"):
            write_json(Path(words[words.index("--run") + 1]) / "run.json", {"command": []})

    run_steps(plan, command, SECONDS)
    return called


@pytest.fixture
def plan(tmp_path: Path) -> ForgetPlan:
    return ForgetPlan("w.pt", str(tmp_path / "result"), [], ["--method", "FineTune"], ["train/0"])


def test_every_step_says_what_is_left(plan: ForgetPlan, capsys: pytest.CaptureFixture[str]) -> None:
    assert [words[0] for words in ran(plan)] == ["import", "split", "unlearn", "audit", "export"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Step")]
    assert lines == [
        "Step 1 of 5, about 6 min left with it:",
        "Step 2 of 5, about 6 min left with it:",
        "Step 3 of 5, about 6 min left with it:",
        "Step 4 of 5, about 45 s left with it:",
        "Step 5 of 5, about 5 s left with it:",
    ]


def test_a_repeated_command_counts_finished_steps_and_replaces_what_is_left_of_others(
    plan: ForgetPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(plan.path("original") / "run.json", {"command": []})
    request = write_json(plan.path("forget.json"), {"forget": plan.ids})
    written = request.stat().st_mtime_ns
    for file in (plan.path("near_duplicates.json"), plan.export):
        file.touch()
    called = ran(plan)
    assert capsys.readouterr().out.startswith("\nStep 1 of 5, finished before:\nunlearning-pl import w.pt")
    assert [words[0] for words in called] == ["split", "unlearn", "audit", "export"]
    assert [words[-1] for words in called] == ["--overwrite", "auto", str(plan.path("audit")), "--overwrite"]
    assert request.stat().st_mtime_ns == written
