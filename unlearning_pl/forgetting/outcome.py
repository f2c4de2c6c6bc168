"""What ``forget`` ends with: what was done, the verdict, and where things lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearning_pl.audits.embeddings import ORIGINAL
from unlearning_pl.audits.verdict import REASONS
from unlearning_pl.forgetting.forget_plan import AUDIT, UNLEARN, ForgetPlan
from unlearning_pl.report import read_report
from unlearning_pl.training.run_record import read_record

_LIMIT = " Without a retrained model no audit shows that nothing is left; --retrain EPOCHS trains one."


def outcome(plan: ForgetPlan) -> list[str]:
    """What was done, the verdict with its figure, and where things lie.

    Args:
        plan: A plan whose steps are finished.

    Raises:
        InputError: If the report of the audit cannot be read.
    """
    record = read_record(plan.path(UNLEARN))
    total = plan.counts["retain"] + plan.counts["forget"]
    done = f"{plan.counts['forget']} of {total} training images of {plan.model} unlearned in {record['seconds']:.0f} s."
    audits = {one["name"]: one for one in read_report(plan.path(AUDIT) / "report.json")["audits"]}
    verdict = describe_outcome(audits[UNLEARN], audits[ORIGINAL], plan.retrain is not None)
    places = f"{plan.export} (weights), {report_page(plan)} (report), {plan.path(UNLEARN)} (run)."
    return [f"Done: {done}", f"Verdict: {verdict}", f"Files: {places}"]


def describe_outcome(unlearned: Mapping[str, Any], original: Mapping[str, Any], has_reference: bool) -> str:
    """The verdict on the unlearned model, with the AUC of its headline attack and the test accuracy, before and after.

    Args:
        unlearned: The model's part of report.json.
        original: The original's part of it.
        has_reference: Whether there was a retrained model.

    Example:
        >>> figures = {"metrics": {}, "verdict": {"kind": "cannot tell", "reason": "no_reference", "attack": "mean"}}
        >>> figures["verdict"]["differences"] = {"mean": {"auc": 0.525}}
        >>> describe_outcome(figures, figures, has_reference=True)  # doctest: +ELLIPSIS
        'cannot tell: there is no retrained model to compare with. An attacker tells ... with AUC 0.53, before 0.53...'
    """
    verdict = unlearned.get("verdict")
    accuracy = [one["metrics"].get("test_accuracy") for one in (unlearned, original)]
    utility = "" if None in accuracy else f" Test accuracy {accuracy[0]:.1f} %, before {accuracy[1]:.1f} %."
    if verdict is None:
        return f"none, as no attack is defined on these images.{utility}"
    attack = verdict["attack"]
    before = (original.get("verdict") or verdict)["differences"].get(attack, {}).get("auc", float("nan"))
    figure = (
        f"An attacker tells forgotten from unseen images with AUC {verdict['differences'][attack]['auc']:.2f}, before "
        f"{before:.2f}; 0.50 is chance."
    )
    if (original.get("verdict") or {}).get("reason") == "no_reference":
        figure += " It did not tell them in the original either, so that this is no sign of unlearning."
    limit = "" if has_reference else _LIMIT
    return f"{verdict['kind']}: {REASONS[verdict['reason']]}. {figure}{utility}{limit}"


def report_page(plan: ForgetPlan) -> Path:
    """Path of the report."""
    return plan.path(AUDIT) / "report.html"
