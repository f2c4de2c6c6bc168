"""Plans on tiny digits: what is kept, what is made again, and what fails."""

import json
import logging
import os
import statistics
from pathlib import Path

import pytest
import torch
from tiny_plan import FIT, METHODS, RUNS, made, write

from unlearning_pl.benchmark import benchmark
from unlearning_pl.benchmark.result_files import read_results
from unlearning_pl.commands.main import main, run
from unlearning_pl.errors import InputError, UnfinishedError
from unlearning_pl.report.metric_terms import TERMS

pytestmark = pytest.mark.usefixtures("_undrawn")


def test_the_table_has_mean_and_deviation_of_every_metric(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "tiny.yaml", "--seeds", "0", "1", "--output", "runs"]) == 0
    page = (place / "table.md").read_text()
    reports = [json.loads((place / f"seed{seed}/audit/report.json").read_text())["audits"] for seed in (0, 1)]
    for model in RUNS:
        found = [next(audit for audit in report if audit["name"] == model)["metrics"] for report in reports]
        cells = " ".join(line for line in page.splitlines() if line.startswith(f"| {model} "))
        for term in TERMS:
            values = [metrics[term.key] for metrics in found if term.key in metrics]
            if values:
                spread = f"{statistics.mean(values):.{term.digits}f} ± {statistics.stdev(values):.{term.digits}f}"
                assert spread in cells, term.key
    assert "    unlearning-pl benchmark tiny.yaml --seeds 0 1 --output runs\n" in page
    assert "Hardware: " in page
    rows = read_results([place / "results.csv"])
    assert rows == read_results([place])
    assert {(row.seed, row.model) for row in rows} == {(seed, model) for seed in (0, 1) for model in RUNS}
    assert {row.passes for row in rows if row.model == "retrained"} == {32}  # 40 retained, 2 whole steps of 16
    assert "torch " in page
    shown = capsys.readouterr().out
    assert "| neg_grad " in shown
    address = (place / "seed0/audit/report.html").as_uri()
    assert shown.endswith(f"Table: runs/tiny/table.md\nRuns: runs\nOpen: {address}\n")


def test_what_is_finished_is_kept(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "unlearning_pl"):
        assert made([0, 1]) == []
    assert not [record for record in caplog.records if "commands/" in record.message]  # a rate of nothing
    (place / "seed0/fine_tune/run.json").unlink()
    assert made() == ["fine_tune", "audit"]
    (place / "seed0/audit/report.json").unlink()
    assert made() == ["audit"]


@pytest.mark.parametrize("newer", [False, True])
def test_an_interrupted_run_goes_on_unless_its_original_was_made_again(place: Path, newer: bool) -> None:
    (place / "seed0/fine_tune/run.json").unlink()
    original = place / "seed0/original/checkpoints/last.ckpt"
    if newer:
        torch.save(torch.load(original, weights_only=True) | {"again": True}, original)
    when = original.stat().st_mtime + (-1 if newer else 1)  # a copied folder has the times of the copy
    for path in (original, place / "seed0/original/run.json"):
        os.utime(path, (when, when))
    asked: list[list[str]] = []

    def noting(words: list[str]) -> None:
        asked.append(words)
        run(words)

    benchmark(noting, ["tiny.yaml"], [0], "runs")
    assert (asked[0][-2:] == ["--ckpt_path", "last"]) is not newer
    assert made() == []


@pytest.mark.usefixtures("place")
def test_a_changed_command_is_run_again() -> None:
    write(methods={**METHODS, "neg_grad": "--method NegGrad --optimizer.lr 0.02"})
    assert made() == ["neg_grad", "audit"]
    write(methods={"neg_grad": "--method NegGrad --optimizer.lr 0.02"}, audit="--views 3")
    assert made() == ["audit"]


@pytest.mark.usefixtures("place")
def test_another_original_makes_its_methods_again() -> None:
    write(fit=f"{FIT} --optimizer.lr 0.02")
    assert made() == [*RUNS, "audit"]


@pytest.mark.usefixtures("place")
def test_a_changed_file_of_settings_is_noticed() -> None:
    Path("method.yaml").write_text("optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.01}}")
    write(methods={"neg_grad": "--method NegGrad --config method.yaml"})
    assert made() == ["neg_grad", "audit"]
    Path("method.yaml").write_text("optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.02}}")
    assert made() == ["neg_grad", "audit"]


def test_a_method_that_fails_is_named_and_the_rest_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write(methods={"diverges": "--method NegGrad --optimizer.lr 1e30", **METHODS})
    assert main(["benchmark", plan, "--seeds", "0", "--output", "runs"]) == 1
    assert "Failed: diverges of tiny, seed 0" in capsys.readouterr().err
    page = (place / "table.md").read_text()
    assert "- diverges, seed 0, failed: Expected a finite loss" in page
    assert "| diverges (0 of 1 seeds) | - " in page
    assert all(f"\n| {name} " in page for name in RUNS)
    with pytest.raises(UnfinishedError):
        made()
    write()
    assert made() == []


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_seed_without_its_original_leaves_the_other_seeds_alone() -> None:
    write(fit=f"{FIT} --optimizer.lr 1e30")
    with pytest.raises(UnfinishedError, match="original of tiny, seed 0; original of tiny, seed 1"):
        made([0, 1])
    assert "| fine_tune (0 of 2 seeds) | - " in Path("runs/tiny/table.md").read_text()


def test_another_error_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()

    def interrupted(words: list[str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(interrupted, ["tiny.yaml"], [0], "runs")
    with pytest.raises(InputError):
        benchmark(interrupted, [], [-1], "runs")
