"""The schema is made of the table of terms, as page and tables are: a new metric is a row of it and nothing else."""

import json
import sys
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator, ValidationError
from rich.console import Console

from unlearning_pl.audits import Audit
from unlearning_pl.benchmark.benchmark_table import Outcome
from unlearning_pl.benchmark.benchmark_table import render_page as benchmark_page
from unlearning_pl.report import html_page, metric_terms, read_report, report_json, table, write_report
from unlearning_pl.report.metric_term import Term
from unlearning_pl.report.report_schema import FILE, report_schema

NEW = Term("luck", "Luck of the model", "LM", " %", 1, "A share that no audit measures.")
AUDIT = Audit("ac", {"luck": 12.34}, {}, torch.zeros(0, 0), intervals={"luck": (11.0, 14.0)})


@pytest.fixture
def _new_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of terms has one row more, whose metric has a column in the terminal."""
    (title, first), *others = metric_terms.GROUPS
    longer = {"GROUPS": ((title, (*first, NEW)), *others), "TERMS": (*metric_terms.TERMS, NEW)}
    longer["COLUMNS"] = (("LM %", NEW.key), *metric_terms.COLUMNS)
    known = {name: getattr(metric_terms, name) for name in longer}
    for module in [module for at, module in sys.modules.items() if at.startswith("unlearning_pl.")]:
        for name in known:
            if vars(module).get(name) is known[name]:
                monkeypatch.setattr(module, name, longer[name])
    monkeypatch.setitem(metric_terms.BY_KEY, NEW.key, NEW)
    monkeypatch.setattr(
        html_page, "build_report", report_json.build_report
    )  # the schema of the other tests is without the row


def test_the_file_is_what_the_table_of_terms_makes() -> None:
    made = json.dumps(report_schema(), indent=2) + "\n"
    assert FILE.read_text() == made, "Run python -m unlearning_pl.report.report_schema, which writes it anew."


@pytest.mark.usefixtures("_new_row")
def test_a_new_row_is_in_the_schema_and_held_to_it(tmp_path: Path) -> None:
    schema = report_schema()
    assert schema["$defs"]["metrics"]["properties"]["luck"]["description"] == NEW.meaning
    write_report(tmp_path, [AUDIT])
    found = read_report(tmp_path / "report.json")
    Draft202012Validator(schema).validate(found)
    found["audits"][0]["metrics"]["luck"] = 101
    with pytest.raises(ValidationError, match="101"):
        Draft202012Validator(schema).validate(found)


@pytest.mark.usefixtures("_new_row")
def test_a_new_row_is_on_the_page_and_in_the_tables(tmp_path: Path) -> None:
    shown = write_report(tmp_path, [AUDIT]).read_text()
    assert all(words in shown for words in (NEW.title, NEW.meaning, "12.3 %", "11.0 to 14.0"))
    with (console := Console(width=100)).capture() as capture:
        console.print(table([AUDIT]))
    assert all(words in capture.get() for words in ("LM %", "12.3"))
    told = benchmark_page("Plan", "unlearning-pl benchmark", ["ac"], [Outcome(0, {"ac": AUDIT.metrics}, {}, [])])
    assert "12.3" in told


def test_without_the_row_the_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="luck"):
        write_report(tmp_path, [AUDIT])
