"""What a mistake in a plan or in the command gets, before anything runs; names that are text."""

import shlex
from pathlib import Path

import pytest
from tiny_plan import FIT, write

from unlearning_pl.benchmark import Job, benchmark
from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.commands.main import main

pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake gets."""
    capsys.readouterr()
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


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
        ({"audit": "--trackers true --page false"}, "tiny.yaml, audit: Expected page = true with trackers = true"),
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
def test_a_mistake_in_a_plan_gets_one_line(
    changes: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write(**changes)
    Path("two.yaml").write_text("trainer: {num_nodes: 2}")
    Path("level.yaml").write_text("level: 0.01")
    assert message in told(["benchmark", plan], capsys)
    assert not Path("runs").exists()


def test_a_plan_asks_for_measures_of_the_audit_in_any_order() -> None:
    options = (
        "--gradient_attack true --views 3  --retain_relearning=5 --precision 32-true --level 0.01 --margin=0.1 "
        "--probe muc --relearning 0 --accelerator cpu"
    )
    assert read_plans([write(audit=options)])[0].job.audit == options


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
        ("tiny.yaml --tune 0 --dry-run", "Expected --tune >= 1 trials"),
        ("tiny.yaml --share 1/2 --dry_run", "one of --dry_run and --share"),
        ("tiny.yaml --dry_run --processes 2", "one of --dry_run and --processes"),
        ("tiny.yaml --list --processes 0", "one of --list and --processes"),
        ("tiny.yaml --output tiny.yaml", "Expected a folder as --output, got tiny.yaml, where tiny.yaml is a file."),
        ("tiny.yaml --output tiny.yaml/runs --list", "got tiny.yaml/runs, where tiny.yaml is a file."),
        ("tiny.yaml --list --dry-run", "one of --list and --dry_run"),
    ],
)
def test_a_mistake_in_the_command_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    write()
    assert message in told(["benchmark", *words.split()], capsys)
    assert not Path("runs").exists()


def test_processes_of_srun_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"SLURM_JOB_NAME": "job", "SLURM_NTASKS": "2", "SLURM_NNODES": "1"}.items():
        monkeypatch.setenv(name, value)
    assert "Expected one process, got 2" in told(["benchmark", write()], capsys)
    assert "Expected one process, got 2" in told(["demo"], capsys)
