"""Trials of a tuning that fail: which are recorded, and which end it."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from written_runs import METHODS, TRIALS, Written, recorded, tuned, write

from unlearning_pl.benchmark.benchmark_table import Outcome
from unlearning_pl.benchmark.tuning_trials import judge_trial
from unlearning_pl.errors import DivergedError, InputError, UnfinishedError

pytestmark = pytest.mark.usefixtures("_a_command_line_is_parsed_once", "_in_an_empty_folder")


def test_an_audit_that_fails_for_one_run_fails_that_trial_alone() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})

    class Refusing(Written):
        def audit(self, run: str) -> dict[str, Any]:
            if run.endswith("trial1"):
                raise InputError("Expected features that are finite, got nan. Leave it out.")
            return super().audit(run)

        def __call__(self, words: list[str]) -> None:
            super().__call__(words)
            if words[0] == "unlearn" and words[words.index("--run") + 1].endswith("trial2"):
                raise DivergedError("Expected a finite loss, got nan.")

    runner = Refusing()
    tuned(runner, 4)
    assert runner.trials.count("fine_tune-trial2") == 1
    reasons = [trial["reason"] for trial in recorded("fine_tune")]
    assert reasons[1] == "Expected features that are finite, got nan. Leave it out."
    assert reasons[2] == "Expected a finite loss, got nan."
    assert not any("finite" in reasons[number] for number in (0, 3))
    assert None not in [recorded("fine_tune")[number]["distance"] for number in (0, 3)]


def test_an_audit_that_fails_for_every_run_ends_the_tuning() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})

    class Refusing(Written):
        def audit(self, run: str) -> dict[str, Any]:
            raise InputError("Expected test images, got none. Add some.")

    with pytest.raises(UnfinishedError, match="Failed: audit: Expected test images, got none"):
        tuned(Refusing(), 3)
    assert not TRIALS.exists()


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


@pytest.mark.parametrize(
    ("key", "utility", "bound", "refused"),
    [
        ("test_accuracy", 0.0, 0.0, r"< 0 points, the test accuracy .* got 0, .* a plan whose"),
        ("test_recall", 2.35, 3.0, r"< 2.35 points, the test recall .* got 3, .* a fifth"),
        ("test_recall", 2.35, 2.3, ""),
        ("test_recall", 2.35, 100.0, ""),
        ("test_accuracy", float("nan"), 3.0, ""),  # figures that are not finite are a reason of their own
    ],
)
def test_a_bound_at_or_above_what_retrained_models_have_is_refused(
    key: str, utility: float, bound: float, refused: str
) -> None:
    figures = {name: {"retraining_distance": 0.1, key: utility} for name in ("one", "retrained")}
    with pytest.raises(InputError, match=refused) if refused else nullcontext():
        judge_trial({}, Outcome(0, figures, {}, []), "one", ["retrained"], bound)


def test_a_bound_that_no_trial_could_miss_ends_the_tuning() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    runner = Written(lambda method, rate: {"retraining_distance": 0.1, "test_accuracy": 70.0})
    with pytest.raises(InputError, match=r"< 80 points, the test accuracy of the retrained models, got 80, "):
        tuned(runner, 3, bound=80.0)
    assert not TRIALS.exists()
    tuned(runner, 3, bound=79.9)
    assert [trial["reason"] for trial in recorded("fine_tune")] == [""] * 3


def test_a_trial_without_finite_figures_is_never_chosen() -> None:
    write(methods={"fine_tune": METHODS["fine_tune"]})
    plan = tuned(Written(lambda method, rate: {"retraining_distance": float("nan"), "test_accuracy": 80.0}), 2)
    assert [trial["reason"] for trial in recorded("fine_tune")] == ["figures that are not finite"] * 2
    assert plan["methods"] == {"fine_tune": METHODS["fine_tune"]}


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


@pytest.mark.parametrize("damage", [b'{"search": "fine_tune"\n', b"[]\n", b'{"search": "x", "loss": 1}\n', b"\xff\n"])
def test_a_damaged_record_is_named(damage: bytes) -> None:
    write()
    TRIALS.parent.mkdir(parents=True)
    TRIALS.write_bytes(damage)
    with pytest.raises(InputError, match=r"Expected a trial in runs.tiny.tuning.trials.jsonl, line 1"):
        tuned(Written(), 1)
