"""Plans on tiny digits: what is kept, what is made again, what fails, and what a mistake gets."""

import json
import logging
import os
import shlex
import shutil
import statistics
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml

from unlearning_pl.benchmark import Job, benchmark
from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.result_files import read_results
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.commands.main import main, run
from unlearning_pl.errors import InputError, UnfinishedError
from unlearning_pl.report.metric_terms import TERMS
from unlearning_pl.training.run_lock import lock_folder

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
FIT = f"--model SimCLR --model.backbone resnet9_slim {DIGITS} {CPU}"
METHODS = {"fine_tune": "--method FineTune --optimizer.lr 0.01", "neg_grad": "--method NegGrad"}
PLAN = {"title": "Tiny", "fit": FIT, "forget": {"count": 8}, "unlearn": CPU, "methods": METHODS, "audit": "--views 2"}
pytestmark = pytest.mark.usefixtures("_undrawn")
RUNS = ["original", "retrained", "fine_tune", "neg_grad"]


def write(name: str = "tiny", **changes: object) -> str:
    Path(f"{name}.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return f"{name}.yaml"


def made(seeds: Sequence[int] = (0,)) -> list[str]:
    """Run the plan; the names of what was made, in order."""
    names = []

    def noting(words: list[str]) -> None:
        names.append("audit" if words[0] == "audit" else Path(words[words.index("--run") + 1]).name)
        run(words)

    benchmark(noting, ["tiny.yaml"], seeds, "runs")
    return names


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, _undrawn: None) -> Path:
    """The plan, run by one process a seed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write()
        assert made([0]) == [*RUNS, "audit"]
        assert made([1]) == [*RUNS, "audit"]
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished plan, to change."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy/runs/tiny"


@pytest.fixture
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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


def test_words_of_a_method_replace_the_shared_ones() -> None:
    line = Job("", {"classes": ["a b", "c"]}, {"x": "--trainer.max_epochs 3"}, "--trainer.max_epochs 5").runs(4, "r")[
        "x"
    ]
    assert line.index("max_epochs 5") < line.index("max_epochs 3")
    assert """--forget.classes '["a b", "c"]' --forget.seed 4""" in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methodz": {}}, "got methodz. Did you mean methods?"),
        ({"methods": {}}, "Expected methods"),
        ({"methods": None}, "Expected methods"),
        ({"methods": {"a/b": ""}}, "got 'a/b'"),
        ({"methods": {"..": ""}}, "got '..'"),
        ({"methods": {3: ""}}, "got 3"),
        ({"methods": {"audit": ""}}, "another name than audit"),
        ({"methods": {"original": ""}}, "another name than original"),
        ({"methods": {"a": None}}, "text as methods.a"),
        ({"methods": {"a": "--method 'x"}}, "No closing quotation"),
        (
            {"methods": {"a": "--method FineTun"}},
            "tiny.yaml, a: Expected a class for method, got FineTun. Did you mean",
        ),
        ({"methods": {"a": "--optimizr.lr 1"}}, "Did you mean --optimizer.lr?"),
        ({"methods": {"a": "--run x"}}, "without --run"),
        ({"unlearn": "--trainer.devices 2"}, "without --trainer.devices"),
        ({"fit": f"{FIT} --config two.yaml"}, "--config file with trainer.num_nodes = 2"),
        ({"methods": {"a": "--forget.count=3"}}, "without --forget.count"),
        ({"fit": f"{FIT} --data.train_on retain"}, "without --data.train_on"),
        ({"fit": "--config nowhere.yaml"}, "nowhere.yaml"),
        ({"fit": 3}, "Expected text as fit"),
        ({"forget": {}}, "Expected a request"),
        ({"forget": {"fractoin": 0.1}}, "Did you mean fraction?"),
        ({"forget": {"seed": 1, "count": 8}}, "got seed"),
        ({"forget": {"fraction": 1.5}}, "got 1.5"),
        ({"forget": {"fraction": "much"}}, "Expected numbers"),
        ({"forget": {"where": 17}}, "Expected a condition in forget.where, got '17'"),
        ({"forget": {"per_class": "many"}}, "Expected numbers"),
        ({"audit": "--views 1"}, "tiny.yaml, audit: Expected views >= 2, got 1"),
        ({"audit": "--output x"}, "audit in tiny.yaml without --output"),
        ({"audit": "--retrained=x"}, "audit in tiny.yaml without --retrained"),
        ({"audit": "--devices 2"}, "audit in tiny.yaml without --devices"),
        ({"audit": "--config two.yaml"}, "tiny.yaml, audit: Expected an option of unlearning-pl audit, got trainer"),
        ({"audit": "--config level.yaml"}, "tiny.yaml, audit: Expected options, got a --config file"),
        ({"audit": "--level 0.5"}, "tiny.yaml, audit: Expected level above 0 and below 0.5, got 0.5"),
        ({"audit": "--margin 0"}, "tiny.yaml, audit: Expected margin above 0 and below 0.5"),
        ({"audit": "--margin nan"}, "tiny.yaml, audit: "),
        ({"audit": "--level much"}, "tiny.yaml, audit: "),
        ({"audit": "--levle 0.1"}, "got --levle. Did you mean --level?"),
        ({"audit": "--probe mucc"}, "tiny.yaml, audit: "),
        ({"audit": "--relearning -1"}, "Expected relearning >= 0 epochs, got -1"),
        ({"audit": "--views 2 --retain_relearning -1"}, "Expected retain_relearning >= 0 epochs, got -1"),
        ({"audit": "--gradient_attack maybe"}, "tiny.yaml, audit: "),
        ({"audit": "--views 2--gradient_attack true"}, "tiny.yaml, audit: "),
        ({"audit": "views"}, "tiny.yaml, audit: Expected an option"),
        ({"audit": "--views 'two"}, "No closing quotation"),
        ({"references": 0}, "Expected references in tiny.yaml from 1 to 9"),
        ({"references": True}, "got True"),
        ({"references": "3"}, "got '3'"),
        ({"references": 2.0}, "got 2.0"),
        ({"references": [1, 2]}, "got [1, 2]"),
        ({"references": None}, "got None"),
        ({"references": 10**30}, "from 1 to 9"),
    ],
)
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_mistake_in_a_plan_gets_one_line(
    changes: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write(**changes)
    Path("two.yaml").write_text("trainer: {num_nodes: 2}")
    Path("level.yaml").write_text("level: 0.01")
    assert message in told(["benchmark", plan], capsys)
    assert not Path("runs").exists()


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_plan_asks_for_measures_of_the_audit_in_any_order() -> None:
    options = (
        "--gradient_attack true --views 3  --retain_relearning=5 --precision 32-true --level 0.01 --margin=0.1 "
        "--probe muc --relearning 0 --accelerator cpu"
    )
    assert read_plans([write(audit=options)])[0].job.audit == options


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_seeds_of_all_retrained_models_are_checked_first(capsys: pytest.CaptureFixture[str]) -> None:
    plan, highest = write(references=3), 2**32 - 1
    refusal = told(["benchmark", plan, "--seeds", "0", str(highest - 1999)], capsys)
    assert f"from 0 to {highest - 2000} for tiny.yaml, got {highest - 1999}, whose 3 retrained models" in refusal
    refusal = told(["benchmark", write(), "--seeds", str(2**32)], capsys)
    assert f"from 0 to {highest}, got {2**32}." in refusal
    assert not Path("runs").exists()
    started: list[str] = []

    def stop(words: list[str]) -> None:
        started.append(words[words.index("--seed_everything") + 1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(stop, [write(references=3)], [highest - 2000], "runs")
    assert started == [str(highest - 2000)]


@pytest.mark.parametrize(
    ("forget", "expected"),
    [
        ("{classes: [002, yes, 😀]}", {"classes": ["002", "yes", "😀"]}),
        ("{ids: 007}", {"ids": ["007"]}),
        ("{per_class: {010: 5, a b: 6}}", {"per_class": {"010": 5, "a b": 6}}),
        ("{where: class == 010}", {"where": "class == 010"}),
    ],
)
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_names_in_a_plan_are_text(forget: str, expected: dict[str, object]) -> None:
    Path("tiny.yaml").write_text(f"fit: {FIT}\nforget: {forget}\nmethods: {{fine_tune: --method FineTune}}\n")
    (plan,) = read_plans(["tiny.yaml"])
    for name, key in (("retrained", "data"), ("fine_tune", None)):
        command, *words = shlex.split(plan.job.runs(0, "runs")[name])
        if key is None:  # there is no run yet to start from
            words += ["--original", "tiny.yaml", "--config", "model: SimCLR\ndata: {source: {class_path: Digits}}"]
        settings = configuration([command, *words])
        asked = (settings if key is None else settings[key])["forget"]
        assert {field: value for field, value in asked.items() if value is not None and field != "seed"} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods: [", "Expected YAML"),
        ("methods", "Expected a mapping"),
        ("methods: {a: x, a: y}", "a twice"),
        ("", "Expected a mapping"),
    ],
)
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_file_that_is_no_plan_is_told(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.yaml").write_text(text)
    assert message in told(["benchmark", "tiny.yaml"], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere.yaml", "got 'nowhere.yaml', which is no file"),
        (". ", "which is no file"),
        ("", "plan"),
        ("tiny.yaml tiny.yaml", "tiny twice"),
        ("tiny.yaml --seeds 1 1", "1 twice"),
        ("tiny.yaml --seeds 0 -1", "got -1"),
        ("tiny.yaml --seeds x", "x"),
        ("tiny.yaml --seed 1", "Did you mean --seeds?"),
        ("tiny.yaml --only fine_tun", "as --only, got fine_tun. Its rows are fine_tune, neg_grad."),
        ("tiny.yaml --only original --list", "got original. Its rows are"),
        ("tiny.yaml --only", "--only"),
        ("tiny.yaml --share 0/3", "Expected --share K/N with K from 1 to N, got '0/3'."),
        ("tiny.yaml --share 4/3", "got '4/3'"),
        ("tiny.yaml --share=-1/3", "got '-1/3'"),
        ("tiny.yaml --share 2", "got '2'"),
        ("tiny.yaml --share 1/2 --list", "one of --list and --share"),
        ("tiny.yaml --share 1/2 --tune 2", "--share without --tune"),
        ("tiny.yaml --processes 0", "Expected --processes >= 1, got 0."),
        ("tiny.yaml --processes -2", "got -2."),
        ("tiny.yaml --processes two", "two"),
        ("tiny.yaml --tune 2 --only fine_tune", "--only without --tune"),
        ("tiny.yaml --tune 2 --list", "--list without --tune"),
        ("tiny.yaml --tune 2 --dry-run", "--dry_run without --tune"),
        ("tiny.yaml --share 1/2 --dry_run", "one of --dry_run and --share"),
    ],
)
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_a_mistake_in_the_command_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    write()
    assert message in told(["benchmark", *words.split()], capsys)
    assert not Path("runs").exists()


@pytest.mark.usefixtures("_in_an_empty_folder")
def test_processes_of_srun_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"SLURM_JOB_NAME": "job", "SLURM_NTASKS": "2", "SLURM_NNODES": "1"}.items():
        monkeypatch.setenv(name, value)
    assert "Expected one process, got 2" in told(["benchmark", write()], capsys)
    assert "Expected one process, got 2" in told(["demo"], capsys)


def test_another_error_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()

    def interrupted(words: list[str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(interrupted, ["tiny.yaml"], [0], "runs")
    with pytest.raises(InputError):
        benchmark(interrupted, [], [-1], "runs")


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake gets."""
    capsys.readouterr()
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


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
