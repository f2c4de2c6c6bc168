"""Results of seed folders written by hand: what a row has, which seeds count, what processes do to one another."""

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from unlearning_pl.benchmark import result_files, results
from unlearning_pl.benchmark.result_files import read_results, write_results
from unlearning_pl.benchmark.results import Result, incomplete_seeds, plan_results
from unlearning_pl.errors import InputError
from unlearning_pl.report.report_json import VERSION

COMMAND = ["unlearning-pl", "unlearn", "--run", "a b"]


def audit(name: str, **fields: Any) -> dict[str, Any]:
    metrics = {"test_accuracy": 80.0, "membership_auc": 0.5, "seconds": 2.5}
    return {"name": name, "metrics": metrics, "intervals": {"membership_auc": [0.4, 0.6]}, **fields}


def write_seed(folder: Path, seed: int, **record: Any) -> Path:
    """A seed of three models, whose report is younger than their runs."""
    place = folder / f"seed{seed}"
    for name in ("original", "retrained_2", "ac"):
        (place / name).mkdir(parents=True)
        facts = {"seconds": 2.5, "command": COMMAND, "tensors_sha256": f"{name}{seed}", "passes": 640, **record}
        (place / name / "run.json").write_text(json.dumps(facts))
    (place / "audit").mkdir()
    steps = [{"count": 3, "membership_auc": 0.75}, {"count": 5}]
    audits = [audit("original"), audit("retrained_2"), audit("ac", verdict={"kind": "broken"}, steps=steps)]
    (place / "audit/report.json").write_text(json.dumps({"version": VERSION, "context": {}, "audits": audits}))
    return place


def test_a_row_has_value_interval_cost_digest_and_command(tmp_path: Path) -> None:
    write_seed(tmp_path / "tiny", 4)
    rows = plan_results(tmp_path / "tiny")
    ends = ("2.5", "640", "ac4", "unlearning-pl unlearn --run 'a b'")
    facts = {(row.model, row.metric): row for row in rows}
    auc = facts["ac", "membership_auc"]
    assert auc == Result("tiny", 4, "ac", "method", "membership_auc", 0.5, 0.4, 0.6, 2.5, 640, *ends[2:])
    accuracy = facts["original", "test_accuracy"]
    assert (accuracy.role, accuracy.low, accuracy.high) == ("original", None, None)
    assert facts["retrained_2", "seconds"].role == "retrained"
    assert facts["ac", "broken"].value == 1
    assert facts["ac", "step1/membership_auc"].value == 0.75
    assert facts["ac", "step2/count"].value == 5
    assert len(rows) == 3 * 3 + 1 + 3


def test_nothing_of_a_record_is_attributed_to_weights_that_the_report_calls_others(tmp_path: Path) -> None:
    place = write_seed(tmp_path / "tiny", 0)
    report = json.loads((place / "audit/report.json").read_text())
    del report["audits"][2]["metrics"]["seconds"]
    (place / "audit/report.json").write_text(json.dumps(report))
    row = next(row for row in plan_results(tmp_path / "tiny") if row.model == "ac")
    assert row[8:] == (None, None, "", "")


def test_imported_weights_have_no_seconds_but_a_digest(tmp_path: Path) -> None:
    place = write_seed(tmp_path / "tiny", 0, seconds=None)
    report = json.loads((place / "audit/report.json").read_text())
    del report["audits"][0]["metrics"]["seconds"]
    (place / "audit/report.json").write_text(json.dumps(report))
    row = next(row for row in plan_results(tmp_path / "tiny") if row.model == "original")
    assert (row.seconds, row.digest) == (None, "original0")


def test_passes_that_no_record_has_are_empty(tmp_path: Path) -> None:
    place = write_seed(tmp_path / "tiny", 0)
    (place / "ac/run.json").write_text(json.dumps({"seconds": 2.5, "command": COMMAND}))
    write_report_again = place / "audit/report.json"
    os.utime(write_report_again)
    assert {row.passes for row in plan_results(tmp_path / "tiny") if row.model == "ac"} == {None}


@pytest.mark.parametrize("harm", ["report", "record", "older", "version", "damaged", "seconds", "intervals"])
def test_a_seed_counts_only_if_it_is_complete(harm: str, tmp_path: Path) -> None:
    write_seed(tmp_path, 0)
    shutil.copytree(tmp_path / "seed0", tmp_path / "seed00")  # a copy by hand is no other seed
    place = write_seed(tmp_path, 1)
    if harm == "report":
        (place / "audit/report.json").unlink()
    elif harm == "record":  # the run is being made again
        (place / "ac/run.json").unlink()
    elif harm == "older":
        os.utime(place / "audit/report.json", (1, 1))
    elif harm == "seconds":
        (place / "ac/run.json").write_text(json.dumps({"command": COMMAND}))
        os.utime(place / "audit/report.json")
    elif harm == "intervals":
        report = json.loads((place / "audit/report.json").read_text())
        del report["audits"][2]["intervals"]
        (place / "audit/report.json").write_text(json.dumps(report))
    else:
        version = 1 if harm == "version" else VERSION
        (place / "audit/report.json").write_text(json.dumps({"version": version, "audits": [{}]}))
    assert [row.seed for row in plan_results(tmp_path)] == [0] * 13
    assert incomplete_seeds(tmp_path) == [1]


def test_both_files_have_the_rows_of_all_seeds_whoever_ran_them(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    for seed in (10, 2):
        write_seed(folder, seed)
        rows = write_results(folder)
    assert [row.seed for row in rows] == [2] * 13 + [10] * 13
    assert read_results([folder / "results.csv"]) == read_results([folder / "results.parquet"]) == rows
    assert read_results([folder]) == read_results([tmp_path]) == rows
    assert not [*folder.glob(".results.csv.*")]


def test_a_slower_process_does_not_overwrite_a_faster_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process has read seed 0 when seed 1 is completed by another, which writes, and then it writes."""
    write_seed(tmp_path, 0)
    derive, read, go = results.plan_results, threading.Event(), threading.Event()

    def slow(folder: Path) -> list[Result]:
        rows = derive(folder)
        if not read.is_set():
            read.set()
            go.wait(10)
        return rows

    monkeypatch.setattr(result_files, "plan_results", slow)
    first = threading.Thread(target=write_results, args=(tmp_path,))
    first.start()
    assert read.wait(10)
    write_seed(tmp_path, 1)
    second = threading.Thread(target=write_results, args=(tmp_path,))
    second.start()
    second.join(0.3)  # without a lock it would be done
    go.set()
    for thread in (first, second):
        thread.join(10)
    assert {row.seed for row in read_results([tmp_path / "results.csv"])} == {0, 1}


HEAD = ",".join(Result._fields)


ROW = dict(zip(Result._fields, ("p", "0", "m", "method", "k", "1", "", "", "", "", "", ""), strict=True))


def line(**fields: str) -> str:
    return ",".join({**ROW, **fields}.values()) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected the columns"),
        ("plan,seed\n", "Expected the columns"),
        (HEAD + "\n", "got none"),
        (HEAD + "\np,0\n", "Expected 12 values in line 2 of .*results.csv, got 2"),
        (HEAD + '\n"p\n', "damaged"),
        (HEAD + "\n" + line() * 2, "Expected each result once"),
        (HEAD + "\n" + line() + line(seed="1", role="retrained"), "Expected one role for m of p"),
        *(
            (HEAD + "\n" + line(**{name: value}), message)
            for name, value, message in [
                ("value", "nan", "Expected a finite number as value in line 2 of .*results.csv, got 'nan'"),
                ("value", "", "Expected a finite number as value"),
                ("value", "1_5", "Expected a finite number as value"),
                ("seed", "0.5", "Expected a whole number as seed"),
                ("seed", "-1", "Expected seed from 0"),
                ("low", "inf", "Expected a finite number as low"),
                ("high", "2", "Expected both ends of an interval or none"),
                ("passes", "-3", "Expected passes from 0"),
                ("passes", "1.5", "Expected a whole number as passes"),
                ("seconds", "-3", "Expected seconds from 0"),
                ("role", "boss", "Expected a role among"),
                ("plan", "../p", "Expected names of folders"),
                ("model", "..", "Expected names of folders"),
                ("metric", "", "Expected the key of a metric"),
                ("command", "run 'a", "Expected a command that a shell can split"),
            ]
        ),
        (HEAD + "\n" + line(low="2", high="1"), "Expected low up to high"),
        (HEAD + "\n" + line(metric="seconds", value="-1"), "Expected seconds from 0"),
        (HEAD + "\n" + line(metric="retraining_floor", value="1e308"), "Expected retraining_floor from 0"),
    ],
)
def test_a_damaged_file_gets_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_results([tmp_path / "results.csv"])
    assert "\n" not in str(caught.value)


def test_other_paths_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.txt").write_text(HEAD)
    (tmp_path / "b/seed0").mkdir(parents=True)
    for name, message in [
        ("a.parquet", "damaged"),
        ("a.txt", "csv or .parquet"),
        ("no", "not exist"),
        ("b", "seeds 0"),
    ]:
        with pytest.raises(InputError, match=message):
            read_results([tmp_path / name])


def test_a_file_that_a_spreadsheet_or_pandas_wrote_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeff" + HEAD + "\r\n" + line(passes="640.0").strip() + "\r\n\r\n", "utf-8")
    (row,) = read_results([tmp_path / "a.csv"])
    assert row == Result("p", 0, "m", "method", "k", 1.0, passes=640)
    assert isinstance(row.passes, int)
    numbers = {"seed": 0, "value": 1.0, "passes": 640.0, "digest": None, "command": None}
    parquet.write_table(
        pa.Table.from_pylist([{**ROW, **dict.fromkeys(("low", "high", "seconds")), **numbers}]), tmp_path / "a.parquet"
    )
    assert read_results([tmp_path / "a.parquet"]) == [row]


@pytest.mark.parametrize(("name", "value"), [("plan", None), ("seed", 0.5), ("value", True), ("model", 3)])
def test_a_parquet_of_other_types_gets_one_line(name: str, value: object, tmp_path: Path) -> None:
    row = {**ROW, **dict.fromkeys(("low", "high", "seconds", "passes")), "seed": 0, "value": 1.0, name: value}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"as {name} in row 1 of"):
        read_results([tmp_path / "a.parquet"])


def test_files_of_plans_without_their_runs_are_found_in_a_folder(tmp_path: Path) -> None:
    for plan in ("one", "two"):
        place = tmp_path / plan
        place.mkdir()
        (place / "results.csv").write_text(f"{HEAD}\n{line(plan=plan)}")
    (tmp_path / "one/seeds.txt").touch()  # no folder of a seed
    assert [row.plan for row in read_results([tmp_path])] == ["one", "two"]
    assert [row.plan for row in read_results([tmp_path / "one"])] == ["one"]
