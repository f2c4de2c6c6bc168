"""What a finished plan lists, and which of its runs and seeds a command makes."""

import os
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from tiny_plan import FIT, METHODS, RUNS, write

from unlearning_pl.benchmark import benchmark
from unlearning_pl.benchmark.result_files import read_results
from unlearning_pl.commands.main import main, run
from unlearning_pl.training.run_lock import lock_folder

pytestmark = pytest.mark.usefixtures("_undrawn")


def listed(*words: str) -> dict[str, str]:
    """State of each run by its name, as the command lists them."""
    with redirect_stdout(StringIO()) as shown:
        assert main(["benchmark", "tiny.yaml", "--seeds", "0", "--output", "runs", "--list", *words]) == 0
    lines = [line.split("  ") for line in shown.getvalue().splitlines()]
    assert {(plan, seed) for plan, seed, *_ in lines} == {("tiny", "seed 0")}
    return {name: state for _, _, name, state in lines}


def test_a_list_has_the_state_of_each_run_and_runs_nothing(place: Path) -> None:
    seed = place / "seed0"
    assert listed() == dict.fromkeys([*RUNS, "audit"], "finished")
    assert [*listed("--only", "neg_grad")] == ["original", "retrained", "neg_grad", "audit"]
    (seed / "fine_tune/run.json").unlink()
    (seed / "neg_grad.failure.txt").write_text("KeyError: 'lr'.\n\nTraceback\n")
    assert listed() | {"original": "", "retrained": ""} == {
        **{"original": "", "retrained": "", "fine_tune": "interrupted"},
        **{"neg_grad": "finished", "audit": "to run"},
    }
    write(methods={**METHODS, "neg_grad": "--method NegGrad --optimizer.lr 0.02"})
    assert listed()["neg_grad"] == "failed: KeyError: 'lr'."
    (seed / "neg_grad.failure.txt").unlink()
    assert listed()["neg_grad"] == "settings changed"
    write(fit=f"{FIT} --optimizer.lr 0.02")
    assert listed() == {
        **{"original": "settings changed", "retrained": "settings changed"},
        **{"fine_tune": "original not finished", "neg_grad": "original not finished", "audit": "to run"},
    }
    shutil.rmtree(seed / "retrained")
    with lock_folder(seed / "original"):
        states = listed()
    assert states["original"].startswith(f"running (process {os.getpid()} on ")
    assert states["retrained"] == "to run"
    write()
    shutil.rmtree(seed / "original")
    assert listed()["neg_grad"] == "original not finished"
    shutil.rmtree(seed)
    assert listed() == dict.fromkeys([*RUNS, "audit"], "to run")
    assert not seed.exists()


def test_an_audit_is_to_run_while_a_run_of_it_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(methods={**METHODS, "other": "--method NegGrad --optimizer.lr 0.03"})
    assert (listed()["audit"], listed("--only", "neg_grad")["audit"]) == ("to run", "finished")
    words = ["--seeds", "0", "--output", "runs", "--dry-run", "--only", "other"]
    assert main(["benchmark", "tiny.yaml", *words]) == 0
    other, passes, audit, _ = capsys.readouterr().out.splitlines()
    assert "--run runs/tiny/seed0/other " in other
    assert passes.startswith("    48 image passes, 0.")
    models = audit.split("--model ")[1].split(" --allow")[0].split()
    assert [Path(model).name for model in models] == ["fine_tune", "neg_grad", "other"]
    (place / "seed0/other.failure.txt").write_text("KeyError: 'lr'.\n")
    assert listed()["audit"] == "finished"  # of the others
    with redirect_stdout(StringIO()) as shown:
        assert main(["benchmark", "tiny.yaml", *words]) == 0
    assert shown.getvalue().splitlines()[2].startswith("unlearning-pl audit ")


def test_only_the_named_rows_run_and_the_table_has_all_that_exist(place: Path) -> None:
    names: list[str] = []

    def noting(words: list[str]) -> None:
        names.append("audit" if words[0] == "audit" else Path(words[words.index("--run") + 1]).name)
        run(words)

    write(methods={**METHODS, "scrub": "--method NegGrad --optimizer.lr 0.03", "other": "--method NegGrad"})
    for row in ("neg_grad", "fine_tune"):
        shutil.rmtree(place / "seed0" / row)
    for row in ("neg_grad", "scrub"):
        benchmark(noting, ["tiny.yaml"], [0], "runs", only=[row])
    assert names == ["neg_grad", "audit", "scrub", "audit"]
    page = (place / "table.md").read_text()
    assert all(f"\n| {name} " in page for name in ("neg_grad", "scrub", "original"))
    assert "| fine_tune" not in page
    assert "    unlearning-pl benchmark tiny.yaml --seeds 0 --output runs --only scrub\n" in page
    assert {row.model for row in read_results([place]) if row.seed == 0} == {
        *("original", "retrained", "neg_grad", "scrub"),
    }


def test_jobs_with_a_share_make_their_seeds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for share, seeds in (("1/2", "0"), ("2/2", "1")):
        shutil.rmtree(place / f"seed{seeds}/audit")
        assert main(["benchmark", "tiny.yaml", "--seeds", "0", "1", "--output", "runs", "--share", share]) == 0
        assert f"benchmark tiny.yaml --seeds {seeds} --output runs\n" in (place / "table.md").read_text()
        assert capsys.readouterr().out.endswith(f"Open: {(place / f'seed{seeds}/audit/report.html').as_uri()}\n")
    assert main(["benchmark", "tiny.yaml", "--seeds", "0", "--output", "runs", "--share", "2/2"]) == 0
    assert capsys.readouterr().out == "Runs: runs. Share 2/2 has no seed: there are fewer than shares.\n"
