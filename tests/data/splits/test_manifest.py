import json
from pathlib import Path
from typing import Any

import pytest

from unlearning_pl.data import (
    ForgetRequest,
    ImageSet,
    fingerprint,
    make_splits,
    read_manifest,
    with_request,
    write_manifest,
)
from unlearning_pl.errors import InputError


@pytest.mark.parametrize("request_", [ForgetRequest(), ForgetRequest(fraction=0.3, seed=7)])
def test_a_manifest_comes_back(request_: ForgetRequest, train: ImageSet, test: ImageSet, tmp_path: Path) -> None:
    splits = make_splits(train, test, request_, 0.25)
    path = write_manifest(tmp_path / "split.json", splits, train.ids)
    read = read_manifest(path, train, test)
    assert read == splits
    assert read.request == request_
    manifest = json.loads(path.read_text())
    assert manifest["counts"] == splits.counts()
    assert manifest["forget"] == [f"train/{row}" for row in splits.forget.tolist()]


def test_the_manifest_of_a_sequence_lists_the_union_and_the_steps(
    train: ImageSet, test: ImageSet, tmp_path: Path
) -> None:
    first = make_splits(train, test, ForgetRequest(ids=["train/7", "train/9"]), 0.25)
    second = with_request(first, train, test, ForgetRequest(ids=["train/8"]), further=True)
    path = write_manifest(tmp_path / "split.json", second, train.ids)
    manifest = json.loads(path.read_text())
    assert manifest["forget"] == ["train/7", "train/8", "train/9"]
    assert manifest["steps"] == [
        {"request": {"ids": ["train/7", "train/9"]}, "forget": ["train/7", "train/9"]},
        {"request": {"ids": ["train/8"]}, "forget": ["train/8"]},
    ]
    assert "steps" not in json.loads(write_manifest(tmp_path / "one.json", first, train.ids).read_text())
    read = read_manifest(path, train, test)
    assert read == second
    assert [step.request for step in read.steps] == [step.request for step in second.steps]


def test_the_manifest_of_another_run_is_a_request(train: ImageSet, test: ImageSet, tmp_path: Path) -> None:
    splits = make_splits(train, test, ForgetRequest(count=5, seed=2))
    path = write_manifest(tmp_path / "split.json", splits, train.ids)
    assert make_splits(train, test, ForgetRequest(file=str(path))) == splits


def test_a_manifest_of_other_data_shows_both_fingerprints(train: ImageSet, test: ImageSet, tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "split.json", make_splits(train, test), train.ids)
    other = train.take(list(range(39)))
    both = fingerprint(train, test)[:12], fingerprint(other, test)[:12]
    with pytest.raises(InputError, match=f"fingerprint {both[0]}, got other data, fingerprint {both[1]}"):
        read_manifest(path, other, test)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1, got 2"),
        ({"forget": ["train/99"]}, "got .'train/99'."),
        ({"forget": ["train/1", "train/1"]}, "Expected the counts"),
        ({"forget": []}, "Expected the counts"),
        (
            {
                "forget": ["train/1", "train/1"],
                "counts": {"retain": 39, "forget": 2, "validation": 0, "test": 12},
            },
            "Expected the counts",
        ),
        ({"steps": [{"request": {}, "forget": ["train/1", "train/3"]}]}, "other ids in its steps"),
        ({"steps": [{"request": {"share": 1}, "forget": []}]}, "which is none"),
        ({"steps": [["train/1"]]}, "which is none"),
        ({"forget": 3}, "which is none"),
        ({"request": {"share": 1}}, "which is none"),
        ({"request": {"fraction": 2}}, "which is none"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(
    change: dict[str, Any], message: str, train: ImageSet, test: ImageSet, tmp_path: Path
) -> None:
    path = write_manifest(tmp_path / "split.json", make_splits(train, test, ForgetRequest(count=2)), train.ids)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        read_manifest(path, train, test)


@pytest.mark.parametrize("text", [None, "no json", "[]", "{}"])
def test_what_is_no_manifest_is_refused(text: str | None, train: ImageSet, test: ImageSet, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "split.json").write_text(text)
    with pytest.raises(InputError, match=r"Expected a split manifest, got .*split.json, which is none"):
        read_manifest(tmp_path / "split.json", train, test)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "7", '{"version": 1}', '{"version": 1, "forget": 3}'])
def test_a_manifest_that_is_none_is_refused(text: str, tmp_path: Path, train: ImageSet, test: ImageSet) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(InputError, match="Expected a split manifest, got "):
        read_manifest(tmp_path / "split.json", train, test)
