"""Trials of a tuning: as many for every method, none on a reported seed, and none made twice."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import log10
from pathlib import Path

import pytest
import yaml
from written_runs import FIT, METHODS, RUNS, TRIALS, TUNED, Written, by_rate, recorded, tuned, write

from unlearning_pl.benchmark import run_claims, seed_runs, suggest_settings, tuning
from unlearning_pl.benchmark.tuning import tune
from unlearning_pl.benchmark.tuning_request import TUNE_SEED, Budget
from unlearning_pl.cli.job_runner import Job
from unlearning_pl.commands import benchmark as benchmark_command
from unlearning_pl.commands.main import main
from unlearning_pl.errors import DivergedError

pytestmark = pytest.mark.usefixtures("_a_command_line_is_parsed_once", "_in_an_empty_folder")


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
    assert all(
        "--views 2 --relearning 0 --retain_relearning 0 --page false --trackers false" in line for line in audits
    )
    TRIALS.unlink()
    for trials in (3, 12, 17):
        tuned(Written(), trials)
    assert recorded("fine_tune") == at_once


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


def test_runs_that_a_killed_command_left_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "_delete_runs", lambda *_: None)
        tuned(Written(), 4)
    assert len([*RUNS.glob("*-trial*")]) == 4
    runner = Written()
    tuned(runner, 4)
    assert runner.lines == []
    assert len([*RUNS.glob("*-trial*")]) == 1


def test_another_version_of_the_search_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    tuned(Written(), 2)
    monkeypatch.setattr(tuning, "SEARCH", suggest_settings.SEARCH + 1)
    runner = Written()
    tuned(runner, 2)
    assert runner.trials == ["fine_tune-trial0", "fine_tune-trial1"]
    assert len(recorded("fine_tune")) == 4


@pytest.mark.parametrize("memory", [4, 3])
def test_waves_at_the_same_time_have_the_trials_of_one_after_the_other(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children that fail for more than their settings, here the fourth at once, are made again by the command."""
    write()
    plan = tuned(Written(figures_that_diverge), 4)
    one_after_the_other = TRIALS.read_text()
    shutil.rmtree("runs")
    runner, failed = Written(figures_that_diverge), []

    def children(jobs: Iterable[tuple[str, Job]], environments: Sequence[object], end: Callable[..., None]) -> None:
        assert len(environments) == 3
        for place, (name, calls) in enumerate(jobs):
            for call in calls:
                killed = call.words[0] == "unlearn" and place % 7 == memory
                call.log.parent.mkdir(parents=True, exist_ok=True)
                call.log.write_text("output")
                reason = "ended by SIGKILL" if killed else None
                try:
                    _ = killed or runner([*call.words])
                except DivergedError as error:
                    reason = str(error)
                failed.extend([reason] if reason else [])
                end(name, reason)

    monkeypatch.setattr(run_claims, "run_jobs", children)
    monkeypatch.setattr(seed_runs, "is_finished_run", lambda words, run: (run / "run.json").is_file())
    (path,) = tune(runner, ["tiny.yaml"], [0, 1], "runs", Budget(4), processes=3)
    assert len({*failed}) == 2
    kept = [run.name for run in RUNS.glob("*-trial*") if run.is_dir()]
    assert {log.name for log in RUNS.glob("*-trial*.log")} == {f"{name}.log" for name in kept}
    assert TRIALS.read_text() == one_after_the_other
    assert yaml.safe_load(path.read_text())["methods"] == plan["methods"]


def figures_that_diverge(method: str, rate: float) -> Mapping[str, float]:
    if method == "NegGrad" and rate == 0.2:
        raise DivergedError("Expected a finite loss, got nan.")
    return by_rate(method, rate)
