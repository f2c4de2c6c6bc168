"""Accuracy per class: differences to the retrained model, and of many classes those that tell models apart."""

from pathlib import Path

import torch

from unlearning_pl.audits import Audit
from unlearning_pl.report import write_report


def test_classes_are_compared_with_the_retrained_model(tmp_path: Path) -> None:
    def model(name: str, *values: float) -> Audit:
        return Audit(name, {}, {}, torch.zeros(0, 0), class_accuracy={"test": torch.tensor(values)})

    audits = [model("retrained", 50.0, 60.0), model("ac", 70.0, float("nan")), model("coun", 20.0, 60.0)]
    page = write_report(tmp_path, audits, {"class_names": ["cat", "dog"]}).read_text()
    assert '<td class="more" style="--tone: 40%">70.0 %<span class="gap">+20.0</span>' in page
    assert '<td class="less" style="--tone: 60%">20.0 %<span class="gap">-30.0</span>' in page
    assert '<td>60.0 %<span class="gap">+0.0</span>' in page
    assert '<td><span class="none">-</span>' in page


def test_of_many_classes_those_that_tell_models_apart_are_shown(tmp_path: Path) -> None:
    values = torch.full((30,), 50.0)
    other = values.clone()
    other[25] = 90.0
    audits = [
        Audit(name, {}, {}, torch.zeros(0, 0), class_accuracy={"test": found})
        for name, found in (("a", values), ("b", other))
    ]
    page = write_report(tmp_path, audits, {"class_names": [f"class-{number}" for number in range(30)]}).read_text()
    assert "10 others are in report.json" in page
    assert "class-25" in page
    assert page.count('<th scope="row">class-') == 20
