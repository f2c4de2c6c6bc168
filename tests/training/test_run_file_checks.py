"""What a stranger wrote into the files of a run gets one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.training import runs

RECORD = {"seconds": 1.0, "command": ["unlearning-pl", "fit"]}
SPLIT = {"fingerprint": "0", "forget": ["a"], "validation": []}


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": True},
        {"seconds": "1"},
        {"command": "fit"},
        {"command": ["fit", 3]},
        {"lineage": "abc"},
        {"lineage": [["abc"]]},
        {"original": 3},
        {"original": ["/etc/passwd"]},
        {"original_sha256": None},
        {"weights_sha256": {}},
        {"seed": [1]},
        {"imported": "w.pt"},
    ],
)
def test_a_record_of_other_types_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    assert runs.read_record(tmp_path) == RECORD
    (tmp_path / "run.json").write_text(json.dumps(RECORD | change))
    with pytest.raises(InputError, match=rf"run\.json, got another {next(iter(change))}\. Restore"):
        runs.read_record(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"forget": 3},
        {"forget": "abc"},
        {"forget": [1]},
        {"validation": {}},
        {"steps": 3},
        {"steps": ["a"]},
        {"steps": [{}]},
    ],
)
def test_a_split_without_lists_of_ids_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    assert runs.read_split(tmp_path) == SPLIT
    (tmp_path / "split.json").write_text(json.dumps(SPLIT | change))
    with pytest.raises(InputError, match=r"Expected lists of ids under forget, validation and steps in .*split\.json"):
        runs.read_split(tmp_path)


def test_aliases_that_multiply_are_not_followed(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "config.yaml").write_text("\n".join([*lines, "model: {x: *a11}", "data: {}"]))
    with pytest.raises(InputError, match=r"aliases|within"):
        runs.read_config(tmp_path)
    (tmp_path / "config.yaml").write_text("model: &m {x: [*m]}\ndata: {}")
    with pytest.raises(InputError, match=r"aliases|within"):
        runs.read_config(tmp_path)


def test_a_record_of_an_import_without_the_digest_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RECORD | {"imported": {"file": "w.pt"}}))
    with pytest.raises(InputError, match="Expected the SHA-256 of the imported file"):
        runs.read_record(tmp_path)
