"""The verdict in the last lines of ``forget``: what it says, and what it must not suggest."""

from typing import Any

import pytest

from unlearning_pl.forgetting.outcome import describe_outcome

NO_SIGN = "It did not tell them in the original either, so that this is no sign of unlearning."


def model(reason: str, auc: float) -> dict[str, Any]:
    kind = "remembers" if reason == "more_alone" else "cannot tell"
    verdict = {"kind": kind, "reason": reason, "attack": "mean", "differences": {"mean": {"auc": auc}}}
    return {"metrics": {"test_accuracy": 100 * auc}, "verdict": verdict}


@pytest.mark.parametrize(("before", "shown"), [("no_reference", True), ("more_alone", False), ("wide", False)])
def test_an_attack_that_never_told_them_is_no_sign(before: str, shown: bool) -> None:
    text = describe_outcome(model("no_reference", 0.51), model(before, 0.62), has_reference=False)
    assert (NO_SIGN in text) == shown
    assert "AUC 0.51, before 0.62" in text
    assert "Test accuracy 51.0 %, before 62.0 %" in text
    assert "--retrain EPOCHS" in text


def test_without_an_attack_there_is_no_verdict() -> None:
    assert describe_outcome({"metrics": {}}, {"metrics": {}}, has_reference=False).startswith("none, as no attack")
