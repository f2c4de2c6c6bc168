"""Tuning with runs written by hand: the same trials for every method, none on a reported seed, and none made twice."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import log10
from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearning_pl.benchmark import benchmark_plan, suggest_settings
from unlearning_pl.benchmark.tuning import tune
from unlearning_pl.benchmark.tuning_request import TUNE_SEED, Budget
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.commands import benchmark as benchmark_command
from unlearning_pl.commands.main import main
from unlearning_pl.errors import DivergedError, InputError, UnfinishedError
from unlearning_pl.report.report_json import VERSION

FIT = "--model SimCLR --model.backbone resnet9_slim --data.source Digits --trainer.max_epochs 1"
METHODS = {"fine_tune": "--method FineTune --optimizer.lr 0.05", "neg_grad": "--method NegGrad --optimizer.lr 0.2"}
PLAN = {"fit": FIT, "forget": {"count": 8}, "methods": METHODS, "audit": "--views 2"}
RUNS = Path("runs/tiny/tuning") / f"seed{TUNE_SEED}"
TRIALS, TUNED = Path("runs/tiny/tuning/trials.jsonl"), Path("runs/tiny/tuning/tiny.yaml")
Figures = Callable[[str, float], Mapping[str, float]]


def by_rate(method: str, rate: float) -> Mapping[str, float]:
    """Nearest to retraining at a rate of 0.02; from 0.08 on the accuracy breaks."""
    return {"retraining_distance": abs(log10(rate / 0.02)), "test_accuracy": 80.0 if rate < 0.08 else 60.0}


class Written:
    """A runner that writes the files of a run and of an audit, and notes the commands.

    Args:
        figures: Metrics of a method at a learning rate.
        stop: Number of unlearning runs after which it is interrupted.
    """

    def __init__(self, figures: Figures = by_rate, stop: int = 10**6) -> None:
        self.figures, self.stop, self.lines = figures, stop, list[list[str]]()

    def __call__(self, words: list[str]) -> None:
        self.lines.append(words)
        if words[0] == "audit":
            audits = [self.audit(run) for run in words[words.index("--model") + 1 :]]
            audits += [
                {"name": name, "metrics": by_rate("", 0.02), "intervals": {}} for name in ("retrained", "retrained_2")
            ]
            self.write(Path(words[words.index("--output") + 1]) / "report.json", {"version": VERSION, "audits": audits})
            return
        self.stop -= words[0] == "unlearn"
        if self.stop < 0:
            raise KeyboardInterrupt
        record = {"seconds": 2.0, "passes": 64, "command": words, "hardware": "none", "versions": {}}
        self.write(Path(words[words.index("--run") + 1]) / "run.json", record)
        if words[0] == "unlearn":
            self.figures(*self.of(words))

    def audit(self, run: str) -> dict[str, Any]:
        words = next(line for line in reversed(self.lines) if line[0] == "unlearn" and run in line)
        return {"name": Path(run).name, "metrics": {"seconds": 2.0, **self.figures(*self.of(words))}, "intervals": {}}

    @staticmethod
    def of(words: list[str]) -> tuple[str, float]:
        """Method and learning rate of a command; the last one wins."""
        return words[words.index("--method") + 1], float(words[len(words) - words[::-1].index("--optimizer.lr")])

    @staticmethod
    def write(path: Path, content: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    @property
    def trials(self) -> list[str]:
        """Names of the unlearning runs."""
        return [Path(line[line.index("--run") + 1]).name for line in self.lines if line[0] == "unlearn"]


@pytest.fixture(scope="module", autouse=True)
def _a_command_line_is_parsed_once() -> Iterator[None]:
    """Most tests begin with the same ones."""
    parsed = cache(lambda *words: configuration([*words]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_plan, "configuration", lambda words: parsed(*words))
        yield


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**changes: object) -> str:
    Path("tiny.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))
    return "tiny.yaml"


def tuned(runner: Written, trials: int, **options: Any) -> dict[str, Any]:
    """Tune tiny.yaml, and read the plan that it wrote."""
    assert tune(runner, ["tiny.yaml"], [0, 1], "runs", Budget(trials, **options)) == [TUNED]
    return yaml.safe_load(TUNED.read_text())


def recorded(row: str) -> list[dict[str, Any]]:
    lines = map(json.loads, TRIALS.read_text().splitlines())
    return [line for line in lines if line["search"].startswith(f"{row}-")]


def test_every_method_gets_as_many_trials_on_a_seed_of_their_own() -> None:
    write()
    runner = Written()
    plan = tuned(runner, 4)
    assert runner.trials == [f"{row}-trial{number}" for row in METHODS for number in range(4)]
    seeds = {re.search(r"--seed_everything (\d+)", " ".join(line))[1] for line in runner.lines if line[0] != "audit"}  # type: ignore[index]
    assert seeds == {str(TUNE_SEED)}
    requests = re.findall(r"forget\.seed (\d+)", " ".join(word for line in runner.lines for word in line))
    assert {*requests} == {str(TUNE_SEED)}
    for row, low, high in (("fine_tune", 0.003, 0.1), ("neg_grad", 0.003, 0.2)):  # the second is widened to its own
        rates = [trial["settings"]["--optimizer.lr"] for trial in recorded(row)]
        assert rates[0] == float(METHODS[row].split()[-1])
        assert all(low <= rate <= high for rate in rates)
        feasible = [rate for rate in rates if rate < 0.08]
        chosen = min(feasible, key=lambda rate: abs(log10(rate / 0.02)))
        assert plan["methods"][row].split()[-1] == str(chosen)
    kept = {"fit": FIT, "forget": {"count": 8}, "audit": "--views 2"}
    assert {key: plan[key] for key in kept} == kept


def test_a_stopped_tuning_ends_as_an_unbroken_one_and_a_finished_one_runs_nothing() -> None:
    write()
    tuned(Written(), 3)
    unbroken, plan = TRIALS.read_text(), TUNED.read_text()
    TRIALS.unlink()
    with pytest.raises(KeyboardInterrupt):
        tuned(Written(stop=4), 3)
    assert len(TRIALS.read_text().splitlines()) == 3  # the whole waves
    rest = Written()
    tuned(rest, 3)
    assert rest.trials == [f"neg_grad-trial{number}" for number in range(3)]
    assert TRIALS.read_text() == unbroken
    assert TUNED.read_text() == plan
    again = Written()
    tuned(again, 3)
    assert again.lines == []


def test_more_trials_continue_and_fewer_are_the_first_of_them() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    first = tuned(Written(), 2)["methods"]
    runner = Written()
    tuned(runner, 12)  # beyond the ten that are drawn at random
    assert runner.trials == [f"fine_tune-trial{number}" for number in range(2, 12)]
    assert tuned(Written(), 2)["methods"] == first


def test_trials_are_the_same_however_the_tuning_was_divided() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    runner = Written()
    tuned(runner, 17)
    at_once = recorded("fine_tune")
    audits = [" ".join(line) for line in runner.lines if line[0] == "audit"]
    assert len(audits) == 3  # trials 0 to 9, 10 to 14, 15 and 16
    assert all("--views 2 --relearning 0 --retain_relearning 0" in line for line in audits)
    TRIALS.unlink()
    for trials in (3, 12, 17):
        tuned(Written(), trials)
    assert recorded("fine_tune") == at_once


def test_an_audit_that_fails_for_one_run_fails_that_trial_alone() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})

    class Refusing(Written):
        def audit(self, run: str) -> dict[str, Any]:
            if run.endswith("trial1"):
                raise InputError("Expected features that are finite, got nan. Leave it out.")
            return super().audit(run)

    tuned(Refusing(), 3)
    reasons = [trial["reason"] for trial in recorded("fine_tune")]
    assert reasons[1] == "Expected features that are finite, got nan. Leave it out."
    assert not any("finite" in reasons[number] for number in (0, 2))
    assert None not in [recorded("fine_tune")[number]["distance"] for number in (0, 2)]


def test_an_audit_that_fails_for_every_run_ends_the_tuning() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})

    class Refusing(Written):
        def audit(self, run: str) -> dict[str, Any]:
            raise InputError("Expected test images, got none. Add some.")

    with pytest.raises(UnfinishedError, match="Failed: audit: Expected test images, got none"):
        tuned(Refusing(), 3)
    assert not TRIALS.exists()


def test_requests_of_all_plans_are_drawn_before_anything_runs() -> None:
    write()
    half = {**PLAN, "forget": {"fraction": 0.5}}
    Path("half.yaml").write_text(yaml.safe_dump(half, sort_keys=False))
    runner = Written()
    with pytest.raises(InputError, match="training images that none of the seeds 0, 1 forgets"):
        tune(runner, ["tiny.yaml", "half.yaml"], [0, 1], "runs", Budget(2))
    assert runner.lines == []


def test_what_decides_a_trial_makes_it_again_and_the_rest_does_not() -> None:
    write()
    tuned(Written(), 2)
    write(methods={**METHODS, "neg_grad": f"{METHODS['neg_grad']} --schedule constant"})
    runner = Written()
    tuned(runner, 2)
    assert runner.trials == ["neg_grad-trial0", "neg_grad-trial1"]
    write()
    for changes in ({"title": "Other"}, {"unlearn": "--data.workers 1"}):
        write(**changes)
        runner = Written()
        tuned(runner, 2)
        assert runner.trials == []  # those of the first plan were not lost
    runner = Written()
    tuned(runner, 2, bound=2.0)
    assert len(runner.trials) == 4


def test_trials_out_of_bound_diverged_or_refused_are_recorded_and_never_chosen() -> None:
    def figures(method: str, rate: float) -> Mapping[str, float]:
        if method == "NegGrad":
            raise DivergedError("Expected a finite loss, got nan.")
        return {"retraining_distance": 0.3 if rate == 0.05 else 0.0, "test_accuracy": 77.0 if rate == 0.05 else 76.9}

    write()
    runner = Written(figures)
    plan = tuned(runner, 3)
    assert plan["methods"] == METHODS
    reasons = [trial["reason"] for trial in recorded("fine_tune")]
    assert reasons == ["", *["test accuracy 3.10 points below retraining"] * 2]
    assert [trial["reason"] for trial in recorded("neg_grad")] == ["Expected a finite loss, got nan."] * 3
    assert [trial["distance"] for trial in recorded("neg_grad")] == [None] * 3
    assert sum(line[0] == "audit" for line in runner.lines) == 1  # a run that failed is not audited
    rows = [line for line in plan["notes"].splitlines() if line.startswith("| ")]
    assert "| plan's own | 1 of 3 | 192 | 6 | 0.300 | 0.300 |" in rows[1]
    assert "| plan's own: no trial is within the bound | 0 of 3 | 0 | 0 | - | - |" in rows[2]


def test_a_trial_without_finite_figures_is_never_chosen() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    plan = tuned(Written(lambda method, rate: {"retraining_distance": float("nan"), "test_accuracy": 80.0}), 2)
    assert [trial["reason"] for trial in recorded("fine_tune")] == ["figures that are not finite"] * 2
    assert plan["methods"] == {"fine_tune": METHODS["fine_tune"]}


def test_the_trial_with_the_plans_own_settings_stays_when_none_is_better() -> None:
    write(methods={"fine_tune": "--method FineTune --optimizer.lr 0.02"})
    assert tuned(Written(), 4)["methods"] == {"fine_tune": "--method FineTune --optimizer.lr 0.02"}


def test_settings_that_were_tried_are_not_run_again() -> None:
    ranges = {"--schedule": ["cosine", "constant"]}
    write(methods={"fine_tune": "--method FineTune --optimizer.lr 0.02"}, tune={"fine_tune": ranges})
    runner = Written()
    tuned(runner, 5)
    trials = recorded("fine_tune")
    assert len(trials) == 5
    assert len(runner.trials) == len({trial["settings"]["--schedule"] for trial in trials}) == 2
    assert sum(trial["passes"] for trial in trials) == 128


@pytest.mark.parametrize("keep", [False, True])
def test_runs_of_trials_are_deleted_but_the_best(keep: bool) -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    tuned(Written(), 4, keep=keep)
    distances = [trial["distance"] if not trial["reason"] else 9.0 for trial in recorded("fine_tune")]
    left = {path.name for path in RUNS.glob("*-trial*")}
    best = f"fine_tune-trial{distances.index(min(distances))}"
    assert left == ({f"fine_tune-trial{number}" for number in range(4)} if keep else {best})


def test_without_its_original_a_tuning_ends_and_records_no_trial() -> None:
    write()

    def refuse(words: list[str]) -> None:
        raise InputError("Expected images, got none. Add some.")

    with pytest.raises(UnfinishedError, match="Failed: original: Expected images, got none"):
        tuned(refuse, 2)  # type: ignore[arg-type]
    assert not TRIALS.exists()


def test_an_audit_without_test_accuracy_is_refused() -> None:
    write()
    with pytest.raises(InputError, match="Expected an audit with a distance to retraining and test accuracy"):
        tuned(Written(lambda method, rate: {"retraining_distance": 0.1}), 2)


def test_the_reported_seeds_run_with_the_chosen_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]}, references=2)
    runner = Written()
    monkeypatch.setattr(benchmark_command, "run", runner)
    words = ["--tune", "3", "--tune_bound", "5", "--seeds", "4", "--output", "runs"]
    assert main(["benchmark", "tiny.yaml", *words]) == 0
    plan, page = yaml.safe_load(TUNED.read_text()), Path("runs/tiny/table.md").read_text()
    made = [line for line in runner.lines if line[0] == "unlearn"]
    assert [line[line.index("--run") + 1] for line in made][3:] == ["runs/tiny/seed4/fine_tune"]
    assert plan["methods"]["fine_tune"] in " ".join(made[-1])
    assert "    unlearning-pl benchmark runs/tiny/tuning/tiny.yaml --seeds 4 --output runs\n" in page
    assert f"by `unlearning-pl benchmark tiny.yaml {' '.join(words)}`: 3 trials a method, all on seed 100000" in page
    assert plan["references"] == 2
    assert page.index("| fine_tune ") < page.index("3 trials a method")


LOW, HIGH = {"low": 0.01, "high": 0.1}, {"low": 1, "high": 9}


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({}, "--tune 0", "Expected --tune >= 1 trials a method, got 0"),
        ({}, "--tune many", "many"),
        ({}, "--tune 2 --tune_bound nan", '"tune_bound"'),
        ({}, "--tune 2 --tune_bound -1", "Expected --tune_bound >= 0 points, got -1.0"),
        ({}, "--tune 2 --tune_bound inf", "tune_bound"),
        ({}, "--tune 2 --tune_seed -1", f"Expected --tune_seed from 0 to {2**32 - 1}, got -1"),
        ({}, "--tune 2 --tune_seed 1", "got [1] in both for tiny.yaml"),
        ({"references": 3}, "--tune 2 --tune_seed 1002", "got [1002] in both for tiny.yaml"),
        ({"references": 3}, "--tune 2 --seeds 3000 --tune_seed 1000", "got [3000] in both for tiny.yaml"),
        ({}, "--tune_seed 7", "Expected --tune with --tune_seed 7, got none"),
        ({}, "--keep_trials true", "Expected --tune with --keep_trials true"),
        ({}, "--tune 2 --seeds 0 0", "0 twice"),
        ({"forget": {"classes": ["3"]}}, "--tune 2", "Expected a request by fraction, count or per_class in tiny.yaml"),
        ({"tune": []}, "", "Expected rows with ranges under tune in tiny.yaml, got []"),
        ({"tune": {"fine_tun": {}}}, "", "got fine_tun. Did you mean fine_tune?"),
        ({"tune": {"fine_tune": {}}}, "", "Expected options and their ranges as tune.fine_tune in tiny.yaml, got {}"),
        ({"tune": {"fine_tune": {"lr": LOW}}}, "", "got 'lr'. Write it with two dashes"),
        ({"tune": {"fine_tune": {"--run": [1, 2]}}}, "", "tune.fine_tune in tiny.yaml without --run"),
        ({"tune": {"fine_tune": {"--optimizer.lr": 3}}}, "", "Expected a range for --optimizer.lr in tune.fine_tune"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [0.1]}}}, "", "Expected several choices"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [1, 1]}}}, "", "Expected different choices"),
        ({"tune": {"fine_tune": {"--optimizer.lr": [[1], 2]}}}, "", "got [1]. Leave it out"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {**LOW, "step": 1}}}}, "", "got step. "),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 2, "high": 1}}}}, "", "low < high for --optimizer.lr"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 0, "high": 1, "log": True}}}}, "", "Expected low above 0"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {"low": 0, "high": float("inf")}}}}, "", "0 and inf"),
        ({"tune": {"fine_tune": {"--optimizer.lr": {**LOW, "log": "yes"}}}}, "", "Expected true or false as log"),
        ({"tune": {"fine_tune": {"--optimizr.lr": LOW}}}, "--tune 2", "Did you mean --optimizer.lr?"),
        ({"tune": {"fine_tune": {"--schedule": ["cosin", "constant"]}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--schedule": LOW}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--optimizer.betas": [1, 2]}}}, "--tune 2", "tiny.yaml, fine_tune"),
        ({"tune": {"fine_tune": {"--trainer.max_steps": LOW}}}, "--tune 2", "tiny.yaml, fine_tune"),
        (
            {"tune": {"fine_tune": {"--trainer.gradient_clip_val": HIGH}}},
            "--tune 2",
            "Expected a number as the plan's own",
        ),
        (
            {"tune": {"fine_tune": {"--optimizer.dampening": {**HIGH, "log": True}}}},
            "--tune 2",
            "Expected a number above 0",
        ),
        ({"methods": {"mine": "--method tiny.Method"}}, "--tune 2", "tiny.Method"),
        ({"notes": 3}, "", "Expected text as notes"),
    ],
)
def test_a_mistake_gets_one_line_before_anything_runs(
    changes: dict[str, object],
    words: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(benchmark_command, "run", Written())
    plan = write(**{"methods": {"fine_tune": METHODS["fine_tune"]}, **changes})
    assert main(["benchmark", plan, "--output", "runs", *shlex.split(words)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert not Path("runs").exists()


def test_without_optuna_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest_settings, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Expected optuna for .*pip install 'unlearning-pl\[tune\]'"):
        tune(Written(), [write()], [0], "runs", Budget(2))


def test_the_plan_that_a_tuning_wrote_is_not_tuned() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    tuned(Written(), 1)
    with pytest.raises(InputError, match="which a tuning has written"):
        tune(Written(), [str(TUNED)], [0], "runs", Budget(1))


@pytest.mark.parametrize("damage", [b'{"search": "fine_tune"\n', b"[]\n", b'{"search": "x", "loss": 1}\n', b"\xff\n"])
def test_a_damaged_record_is_named(damage: bytes) -> None:
    write()
    TRIALS.parent.mkdir(parents=True)
    TRIALS.write_bytes(damage)
    with pytest.raises(InputError, match=r"Expected a trial in runs.tiny.tuning.trials.jsonl, line 1"):
        tuned(Written(), 1)
