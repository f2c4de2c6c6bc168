"""Each step's own share: the audit of its images alone."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from sklearn.metrics import roc_auc_score

from unlearning_pl.audits import Audit, compare, compute_audit, probes
from unlearning_pl.audits.steps import STEP_METRICS
from unlearning_pl.report import step_table, write_report

STEPS = [torch.tensor([1, 4, 5, 20]), torch.tensor([0, 2, 23]), torch.tensor([7])]


@pytest.mark.parametrize("logits", [False, True])
def test_a_share_is_judged_as_if_it_were_the_forget_set(make, logits) -> None:  # noqa: ANN001
    splits = make(0.4, logits=logits)
    audit = compute_audit("ac", splits, steps=STEPS)
    assert len(audit.steps) == 3
    for step, share in zip(STEPS, audit.steps, strict=True):
        alone = compute_audit("ac", {**splits, "forget": splits["forget"].take(step)}).metrics
        assert share == pytest.approx({"count": len(step), **{key: alone[key] for key in STEP_METRICS if key in alone}})
        scores = torch.cat([audit.scores["forget"][step], audit.scores["test"]])
        assert share["membership_auc"] == pytest.approx(roc_auc_score([1] * len(step) + [0] * 40, scores))
    assert len({share["membership_auc"] for share in audit.steps}) == 3


def test_shares_weighted_by_their_size_make_the_whole(make) -> None:  # noqa: ANN001
    rows = torch.randperm(24)
    audit = compute_audit("ac", make(0.4), steps=[rows[:5], rows[5:]])
    for key in audit.steps[0].keys() - {"count"}:
        assert sum(share["count"] * share[key] for share in audit.steps) / 24 == pytest.approx(audit.metrics[key])


def test_one_step_adds_nothing(make) -> None:  # noqa: ANN001
    assert compute_audit("ac", make(), steps=[torch.arange(24)]).steps == ()
    assert compute_audit("ac", make()).steps == ()


def test_the_probe_is_fitted_once(make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    fitted, fit = [], probes.LogisticRegression.fit
    monkeypatch.setattr(probes.LogisticRegression, "fit", lambda *args: fitted.append(1) or fit(*args))
    compute_audit("ac", make(), steps=STEPS)
    assert len(fitted) == 1


def test_what_is_not_defined_of_a_share_is_absent(make) -> None:  # noqa: ANN001
    (share, _) = compute_audit("ac", make(sizes=(60, 24, 0)), steps=STEPS[:2]).steps
    assert set(share) == {"count", "forget_accuracy", "forget_alignment"}


@pytest.fixture
def audits(make) -> list[Audit]:  # noqa: ANN001
    models = {"original": 1.0, "retrained": 0.0, "ac": 0.2, "neg_grad": 0.8}
    audits = [compute_audit(name, make(memory), 2.0, STEPS) for name, memory in models.items()]
    return compare(audits, "original", "retrained")


def test_the_report_shows_each_step(tmp_path: Path, audits: list[Audit]) -> None:
    asked = [{"request": {"count": len(step), "seed": 3}, "count": len(step)} for step in STEPS]
    counts = {"retain": 60, "forget": 8}
    page = write_report(tmp_path, audits, {"steps": asked, "counts": counts}).read_text()
    told = json.loads((tmp_path / "report.json").read_text())
    own = next(audit for audit in told["audits"] if audit["name"] == audits[2].name)
    assert own["steps"] == list(audits[2].steps)
    assert told["context"]["steps"] == asked
    assert "8 of 68 training images were to be forgotten in 3 steps: 4, drawn at random (seed 3); 3, drawn" in page
    share = page.partition("Each step's own share")[2]
    assert share.count("<tbody>") == share.count("</tbody>") == 3
    assert page.count("<tr>") == page.count("</tr>")
    _, first, second, last = share.split('scope="rowgroup"')
    assert ">Step 1, 4 images<" in first
    assert ">Step 2, 3 images<" in second
    assert ">Step 3, 1 image<" in last
    assert f">{audits[3].steps[1]['membership_auc']:.3f}<" in second
    gap = audits[3].steps[1]["forget_alignment"] - audits[1].steps[1]["forget_alignment"]
    assert f'<span class="gap">{gap:+.3f}</span>' in second


def test_one_step_is_not_shown(tmp_path: Path, make) -> None:  # noqa: ANN001
    page = write_report(tmp_path, [compute_audit("ac", make())]).read_text()
    assert "Each step" not in page
    assert "steps" not in json.loads((tmp_path / "report.json").read_text())["audits"][0]


def test_the_table_has_a_row_for_each_model_and_step(audits: list[Audit]) -> None:
    with (console := Console(width=100)).capture() as capture:
        console.print(step_table(audits))
    lines = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    rows = [line for line in lines if line and line[0] == "neg_grad"]
    expected = [
        ["neg_grad", str(number), str(share["count"])]
        + [
            f"{share[key]:.{digits}f}"
            for key, digits in [("forget_accuracy", 1), ("encoder_mi", 1), ("membership_auc", 3)]
        ]
        for number, share in enumerate(audits[3].steps, 1)
    ]
    assert rows == expected
