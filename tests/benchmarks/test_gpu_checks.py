"""`make gpu`: its table and file have every stage, and its status says whether one failed. CI runs the real stages."""

import ast
import json
import sys
from pathlib import Path

import gpu_checks
import gpu_stages
import pytest
from gpu_stages import Stage


def python(name: str, code: str, for_rest: bool = False) -> Stage:
    return Stage(name, [sys.executable, "-c", code], for_rest=for_rest)


def main(folder: Path, monkeypatch: pytest.MonkeyPatch, stages: list[Stage], *words: str) -> int:
    monkeypatch.setattr(gpu_checks, "stages", lambda options: iter(stages))
    monkeypatch.setattr(gpu_checks.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(folder), "--wheels", str(folder / "none"), *words])
    with pytest.raises(SystemExit) as ended:
        gpu_checks.main()
    return int(ended.value.code or 0)


def test_a_failed_stage_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [python("first", "exit(3)"), python("second", "print('fine')")]
    assert main(tmp_path, monkeypatch, stages) == 1
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert [(row["name"], row["result"]) for row in content["stages"]] == [("first", "failed"), ("second", "passed")]
    rows = [line.split() for line in capsys.readouterr().out.rpartition("seconds\n")[2].splitlines()]
    assert [(row[1], row[-1]) for row in rows[:2]] == [("failed", "nothing"), ("passed", "fine")]
    assert main(tmp_path, monkeypatch, stages[1:]) == 0


def test_stages_share_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_stages, "LEAST", 0.3)
    slow = "import time; time.sleep(30)"
    stages = [python("slow", slow), python("late", ""), python("plan", slow, for_rest=True)]
    assert main(tmp_path, monkeypatch, stages, "--budget", "1") == 1
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert [row["result"] for row in content["stages"]] == ["stopped", "not started", "not started"]
    assert content["seconds"] < 9


def test_a_stage_takes_its_fraction_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_stages, "LEAST", 0.1)
    slow = python("slow", "import time; time.sleep(30)")
    slow.fraction = 0.05
    assert main(tmp_path, monkeypatch, [slow, python("late", "")], "--budget", "20") == 1
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert [row["result"] for row in content["stages"]] == ["stopped", "passed"]


def test_figures_of_a_stage_are_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.json").write_text("{}")
    code = f"open({str(tmp_path / 'a_b.json')!r}, 'w').write('[1, 2]')"
    assert main(tmp_path, monkeypatch, [python("A, b", code), python("old", "")]) == 0
    assert [row["figures"] for row in json.loads((tmp_path / "gpu.json").read_text())["stages"]] == [[1, 2], None]


def test_files_of_a_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("site/index.html", "report.json", "gpu.json", "trace.json", "a_b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("of before")
    assert main(tmp_path, monkeypatch, [python("A, b", "")]) == 0
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.read_text() == "of before"}
    assert before == {Path("site/index.html"), Path("report.json")}


def test_stages_see_the_source_tree_and_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "mine")
    code = "import os; print(os.getcwd(), os.environ['PYTHONPATH'].replace(os.pathsep, ' '))"
    assert main(tmp_path, monkeypatch, [python("paths", code)]) == 0
    (row,) = json.loads((tmp_path / "gpu.json").read_text())["stages"]
    assert row["detail"].split() == [
        str(gpu_checks.ROOT),
        str(gpu_checks.ROOT),
        str(tmp_path / "installed_wheels"),
        "mine",
    ]


def test_every_test_of_a_gpu_is_in_a_file_that_is_run(request: pytest.FixtureRequest) -> None:
    """Of the tests that pytest has collected, and of the files whose syntax trees have the mark or `placed`."""
    files = {str(gpu_checks.ROOT / name) for name in gpu_checks.gpu_test_files()}
    marked = {str(item.path) for item in request.session.items if item.get_closest_marker("gpu")}
    for path in (gpu_checks.ROOT / "tests").rglob("test_*.py"):
        nodes = [*ast.walk(ast.parse(path.read_text()))]
        names = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        marks = {
            node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark"
        }
        marked |= {str(path)} if "placed" in names or "gpu" in marks else set()
    assert len(marked) > 1
    assert marked <= files
