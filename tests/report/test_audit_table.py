"""The table in the terminal."""

import torch
from rich.console import Console

from unlearning_pl.audits import Audit, compare, compute_audit
from unlearning_pl.report import table


def printed(audits: list[Audit]) -> list[str]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table(audits))
    return capture.get().splitlines()


def test_one_row_a_model_within_100_columns(make) -> None:  # noqa: ANN001
    audits = [
        compute_audit("original", make(1.0), 40.0),
        compute_audit("retrained", make(0.0), 30.0),
        compute_audit("alignment_calibration", make(0.2), 2.0),
    ]
    lines = printed(compare(audits, "original", "retrained"))
    assert max(len(line) for line in lines) <= 100
    row = next(line for line in lines if "alignment_calibration" in line)
    distance = compare(audits, "original", "retrained")[2].metrics["retraining_distance"]
    assert f" {distance:.3f} " in row
    assert f"{audits[2].metrics['membership_auc']:.3f}" in row
    assert "2.0" in row
    assert "0.5 = cannot tell" in " ".join(" ".join(lines).split())


def test_what_is_not_defined_is_a_dash_and_brackets_are_no_markup() -> None:
    metrics = {"test_accuracy": 50.0, "seconds": 2.0}
    lines = printed([Audit(name, own, {}, None) for name, own in (("[bold]x[/bold]", {}), ("y", metrics))])
    row = next(line for line in lines if "[bold]x[/bold]" in line)
    assert row.count(" - ") == 2
    shown = " ".join(" ".join(lines).split())
    assert "-: not defined" in shown
    assert all(word not in shown for word in ("Distance", "Gap", "EMIA", "AUC"))  # no model has one


def test_models_of_pairs_have_columns_of_pairs() -> None:
    audits = [Audit(name, {"retain_recall": 31.24, "pair_mi": 75.2}, {}, torch.zeros(0, 0)) for name in ("a", "b")]
    shown = "\n".join(printed(audits))
    assert all(words in shown for words in ("RR %", "31.2", "PMIA:"))
    assert "EMIA" not in shown
