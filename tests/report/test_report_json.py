"""The JSON of a report: held to its schema, which is held to the words of the page."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from audited import CLASS_NAMES, CONTEXT, audited
from jsonschema import Draft202012Validator, ValidationError
from sklearn.metrics import roc_auc_score

import unlearning_pl.report
from unlearning_pl.audits import Audit, compute_audit
from unlearning_pl.audits.steps import STEP_METRICS
from unlearning_pl.errors import InputError
from unlearning_pl.report import read_report, write_report
from unlearning_pl.report.metric_terms import TERMS
from unlearning_pl.report.report_json import build_report

SCHEMA = json.loads((Path(unlearning_pl.report.__file__).parent / "report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
SIZES = (60, 24, 40)


@pytest.fixture(scope="module")
def audits() -> list[Audit]:
    return audited({"original": 1.0, "retrained": 0.0, "ac": 0.2}, SIZES)


@pytest.fixture(scope="module")
def text(audits: list[Audit]) -> str:
    ids = {"forget": [f"image-{row}" for row in range(24)]}
    return json.dumps(build_report(audits, {**CONTEXT, "ids": ids}), allow_nan=False)


@pytest.fixture
def document(text: str) -> dict[str, Any]:
    return json.loads(text)


def alter(document: dict[str, Any], path: list[str | int], value: Any) -> None:
    part: Any = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value


def test_the_schema_is_one_and_explains_every_key() -> None:
    VALIDATOR.check_schema(SCHEMA)

    def unexplained(part: Any, at: str) -> list[str]:
        if isinstance(part, list):
            return [found for row, entry in enumerate(part) for found in unexplained(entry, f"{at}/{row}")]
        if not isinstance(part, dict):
            return []
        own = [
            f"{at}/{key}"
            for key, entry in part.get("properties", {}).items()
            if not entry.keys() & {"description", "$ref"}
        ]
        return own + [found for key, entry in part.items() for found in unexplained(entry, f"{at}/{key}")]

    assert unexplained(SCHEMA, "") == []
    assert all("description" in part for part in SCHEMA["$defs"].values())


def test_the_schema_knows_the_metrics_of_the_page() -> None:
    metrics = SCHEMA["$defs"]["metrics"]["properties"]
    assert {key: entry["description"] for key, entry in metrics.items()} == {t.key: t.meaning for t in TERMS}
    assert {key for key, entry in metrics.items() if "percent" in entry.get("$ref", "")} == {
        t.key for t in TERMS if t.unit == " %"
    }
    assert SCHEMA["$defs"]["audit"]["properties"]["intervals"]["propertyNames"]["enum"] == [t.key for t in TERMS]
    assert SCHEMA["$defs"]["step"]["properties"].keys() == {"count", *STEP_METRICS}


def test_a_whole_report_is_valid(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    "audits",
    [
        [Audit("after", {}, {}, torch.zeros(0, 0))],
        [Audit("after", {"seconds": float("nan")}, {"forget": torch.zeros(0)}, torch.zeros(0, 0))],
        [
            Audit(
                "after",
                {},
                {"forget": torch.rand(3), "test": torch.rand(1)},
                torch.eye(3),
                ({"count": 1}, {"count": 2}),
            )
        ],
        [compute_audit("ac", {})],
    ],
    ids=["nothing", "not a number", "steps", "no images"],
)
def test_a_report_of_little_is_valid(tmp_path: Path, audits: list[Audit]) -> None:
    write_report(tmp_path, audits)
    VALIDATOR.validate(read_report(tmp_path / "report.json"))


def test_every_report_of_the_tests_is_held_to_the_schema(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="unheard_of"):
        write_report(tmp_path, [Audit("ac", {"unheard_of": 1.0}, {}, torch.zeros(0, 0))])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 1),
        (["audits"], []),
        (["audits", 0, "name"], 3),
        (["audits", 0, "extra"], {}),
        (["audits", 0, "metrics", "membership"], 0.5),
        (["audits", 0, "metrics", "encoder_mi"], 101),
        (["audits", 0, "metrics", "membership_auc"], None),
        (["audits", 0, "intervals", "membership_auc"], [0.5]),
        (["audits", 0, "intervals", "auc"], [0.5, 0.6]),
        (["audits", 0, "scores", "train"], {}),
        (["audits", 0, "scores", "forget", "image-3"], "0.5"),
        (["audits", 0, "probabilities", "forget", "image-3"], 1.5),
        (["audits", 0, "class_accuracy", "forget", "9"], 120),
        (["audits", 0, "roc"], {"false_positive_rate": [0, 1]}),
        (["extra"], 1),
        (["audits", 0, "metrics"], [0.5]),
        (["audits", 0, "metrics", "retain_knn"], -1),
        (["audits", 0, "metrics", "test_image_to_text_5"], 101),
        (["audits", 0, "metrics", "pair_membership_auc"], 1.5),
        (["audits", 0, "metrics", "pair_membership_auc_retain"], -0.1),
        (["audits", 0, "intervals", "membership_auc"], [0.5, 0.6, 0.7]),
        (["audits", 0, "intervals", "membership_auc"], [0.5, None]),
        (["audits", 0, "losses", "all"], {}),
        (["audits", 0, "class_accuracy", "train"], {}),
        (["audits", 0, "forget_alignment", "image-3"], None),
        (["audits", 0, "roc", "area"], 0.5),
        (["audits", 0, "roc", "true_positive_rate"], []),
        (["audits", 0, "roc", "true_positive_rate"], [1.5]),
        (["audits", 0, "roc", "true_positive_rate"], [1] * 202),
        (["audits", 0, "steps"], [{"count": 1}]),
        (["audits", 0, "steps"], [{"count": 1}, {"count": -1}]),
        (["audits", 0, "steps"], [{"count": 1}, {"encoder_mi": 50}]),
        (["audits", 0, "steps"], [{"count": 1}, {"count": 2, "encoder_mi": 101}]),
        (["audits", 0, "steps"], [{"count": 1}, {"count": 2, "seconds": 2.0}]),
        (["context"], []),
        (["context", "counts", "forget"], -1),
        (["context", "class_names"], "cat"),
        (["context", "precision"], 3.5),
        (["context", "processes"], 0),
        (["context", "seeds", "ac"], "3"),
        (["context", "steps"], [{"request": {}}]),
        (["context", "steps"], [{"request": {}, "count": 0}]),
        (["context", "title"], 3),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, list) and str in map(type, value) else None,
)
def test_an_altered_report_is_not_valid(document: dict[str, Any], path: list[str | int], value: Any) -> None:
    alter(document, path, value)
    with pytest.raises(ValidationError):
        VALIDATOR.validate(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["context", "anything"], 1),
        (["context", "precision"], 16),
        (["context", "seeds", "ac"], None),
        (["context", "steps"], [{"request": {}, "count": 1}]),
        (["audits", 0, "metrics"], {}),
        (["audits", 0, "metrics", "forgetting_score"], -2),
        (["audits", 0, "metrics", "encoder_mi"], 100),
        (["audits", 0, "intervals", "average_gap"], [0, 200]),
        (["audits", 0, "roc"], {}),
        (["audits", 0, "scores"], {}),
        (["audits", 0, "steps"], [{"count": 0}, {"count": 2, "membership_auc": 0.5}]),
    ],
)
def test_what_may_differ_between_reports_is_valid(document: dict[str, Any], path: list[str | int], value: Any) -> None:
    alter(document, path, value)
    VALIDATOR.validate(document)


@pytest.mark.parametrize("key", ["metrics", "scores", "losses", "probabilities", "class_accuracy", "intervals", "roc"])
def test_a_report_without_one_of_its_parts_is_not_valid(document: dict[str, Any], key: str) -> None:
    del document["audits"][1][key]
    with pytest.raises(ValidationError, match=key):
        VALIDATOR.validate(document)


def test_json_holds_the_numbers_by_id(document: dict[str, Any], audits: list[Audit]) -> None:
    assert "ids" not in document["context"]
    assert document["context"]["settings"]["ac"]["path"] == "runs/ac"
    assert document["context"]["settings"]["ac"]["bad"] is None
    record, audit = document["audits"][2], audits[2]
    assert record["name"] == "ac"
    assert record["metrics"] == audit.metrics
    assert record["intervals"]["membership_auc"] == list(audit.intervals["membership_auc"])
    for key in ("scores", "losses", "probabilities"):
        values = getattr(audit, key)
        assert [len(record[key][split]) for split in ("retain", "forget", "test")] == list(SIZES)
        assert record[key]["forget"]["image-3"] == pytest.approx(values["forget"][3].item(), abs=1e-6)
        assert record[key]["test"]["39"] == pytest.approx(values["test"][39].item(), abs=1e-6)
    assert record["forget_alignment"]["image-5"] == pytest.approx(audit.alignment[5, 5].item(), abs=1e-6)
    assert record["class_accuracy"]["test"] == dict(
        zip(CLASS_NAMES, audit.class_accuracy["test"].tolist(), strict=True)
    )


def test_the_curve_holds_the_area(document: dict[str, Any], audits: list[Audit]) -> None:
    curve, scores = document["audits"][2]["roc"], audits[2].scores
    alarms, found = (torch.tensor(curve[key]) for key in ("false_positive_rate", "true_positive_rate"))
    labels = [1] * len(scores["forget"]) + [0] * len(scores["test"])
    exact = roc_auc_score(labels, torch.cat([scores["forget"], scores["test"]]).numpy())
    assert (found[:-1] * alarms.diff()).sum().item() == pytest.approx(exact, abs=1e-5)


def test_a_class_without_images_is_absent_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    accuracy = torch.tensor([50.0, float("nan"), 25.0, 75.0])
    audit = Audit("ac", {}, {}, torch.zeros(0, 0), class_accuracy={"test": accuracy})
    write_report(tmp_path, [audit], {"class_names": ["crane", "cat", "crane"]})
    found = read_report(tmp_path / "report.json")["audits"][0]["class_accuracy"]["test"]
    assert found == {"crane (0)": 50.0, "crane (2)": 25.0, "3": 75.0}


@pytest.mark.parametrize("ids", [["a"] * 24, ["a", "b"]])
def test_ids_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path, audits, ids) -> None:  # noqa: ANN001
    with pytest.raises(InputError, match="one id for each of the 24 forget images"):
        write_report(tmp_path, audits, {"ids": {"forget": ids}})
    assert not list(tmp_path.iterdir())


def test_ids_are_asked_for_losses_as_well(tmp_path: Path) -> None:
    audit = Audit("ac", {}, {}, torch.zeros(0, 0), losses={"test": torch.rand(3)})
    with pytest.raises(InputError, match="one id for each of the 3 test images"):
        write_report(tmp_path, [audit], {"ids": {"test": ["a", "b"]}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"version": 1, "audits": []}', "version 3, got 1"),
        ("[]", "version 3, got None"),
        ("{", "damaged"),
        (None, "No such file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        read_report(path)
    assert "\n" not in str(refused.value)
