import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unlearning_pl.data import (
    ForgetRequest,
    ImageSet,
    Splits,
    make_splits,
    read_manifest,
    with_request,
    write_manifest,
)

QUICK = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def image_set(n: int, prefix: str) -> ImageSet:
    images = torch.arange(n * 3).to(torch.uint8).view(n, 3, 1, 1)
    owners = {"owner": [row % 7 for row in range(n)]}
    return ImageSet(
        images, torch.arange(n) % 2, [f"{prefix}{row}" for row in range(n)], ["even", "odd"], metadata=owners
    )


def asked(kind: str, draw: st.DrawFn, kept: list[int], folder: Path) -> dict[str, Any]:
    """A request of a kind that the images kept for training, two of each class at least, can meet."""
    per_class = min(sum(row % 2 == parity for row in kept) for parity in (0, 1)) - 1
    numbers = st.integers(1, per_class)
    ids = st.lists(st.sampled_from([f"a{row}" for row in kept]), min_size=1, max_size=len(kept) - 1, unique=True)
    return {
        "fraction": lambda: draw(st.floats(0, 0.5, exclude_min=True)),
        "count": lambda: draw(st.integers(1, len(kept) - 1)),
        "classes": lambda: draw(st.sampled_from(["even", "odd", ["even"], [1]])),
        "ids": lambda: draw(ids),
        "file": lambda: str(_written(folder / "ids.txt", draw(ids))),
        "per_class": lambda: draw(numbers | st.fixed_dictionaries({"even": numbers, "odd": numbers})),
        "where": lambda: f"class == {draw(st.sampled_from(['even', 'odd']))} and owner >= 0",
    }[kind]()


def _written(path: Path, ids: list[str]) -> Path:
    path.write_text("\n".join(ids))
    return path


@pytest.mark.parametrize("kind", ["fraction", "count", "classes", "ids", "file", "per_class", "where"])
@QUICK
@given(n=st.integers(20, 60), validation=st.floats(0, 0.4), seed=st.integers(0, 2**64), data=st.data())
def test_every_kind_of_request_splits_the_data_and_comes_back(
    kind: str, n: int, validation: float, seed: int, data: st.DataObject
) -> None:
    train, test = image_set(n, "a"), image_set(3, "b")
    kept = make_splits(train, test, None, validation).train.tolist()
    assume(min(sum(row % 2 == parity for row in kept) for parity in (0, 1)) >= 2)
    with TemporaryDirectory() as name:
        value = asked(kind, data.draw, kept, Path(name))
        request = ForgetRequest(**{kind: value}, seed=seed)
        splits = make_splits(train, test, request, validation)
        read = read_manifest(write_manifest(Path(name) / "s.json", splits, train.ids), train, test)
        again = make_splits(train, test, ForgetRequest(**read.request.given()), validation)

    parts = [splits.retain, splits.forget, splits.validation, splits.test]
    assert all(part.dtype == torch.int64 and part.tolist() == sorted(part.tolist()) for part in parts)
    assert sorted(torch.cat(parts).tolist()) == list(range(n + 3))
    assert read == splits == again
    assert read.request.given() == request.given()
    forget = splits.forget.tolist()
    assert 0 < len(forget) < len(kept)
    expected = {
        "ids": lambda: {f"a{row}" for row in forget} == set(value),
        "count": lambda: len(forget) == value,
        "per_class": lambda: (
            [sum(row % 2 == parity for row in forget) for parity in (0, 1)]
            == ([value, value] if isinstance(value, int) else [value["even"], value["odd"]])
        ),
        "where": lambda: forget == [row for row in kept if ("odd" if row % 2 else "even") in value],
    }
    assert expected.get(kind, lambda: True)()


@QUICK
@given(
    n=st.integers(2, 60),
    validation=st.floats(0, 0.9),
    fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**32),
)
def test_splits_are_disjoint_complete_seeded_and_come_back(
    n: int, validation: float, fraction: float, seed: int
) -> None:
    held_out = max(1, round(validation * n)) if validation else 0
    trained = n - held_out
    assume(trained > 1 and max(1, round(fraction * trained)) < trained)
    train, test = image_set(n, "a"), image_set(3, "b")
    request = ForgetRequest(fraction=fraction, seed=seed)
    splits = make_splits(train, test, request, validation)

    parts = [splits.retain, splits.forget, splits.validation, splits.test]
    assert sorted(torch.cat(parts).tolist()) == list(range(n + 3))
    assert len(splits.validation) == held_out
    assert len(splits.forget) == max(1, round(fraction * trained))
    assert splits == make_splits(train, test, request, validation)
    assert splits == with_request(make_splits(train, test, None, validation), train, test, request)
    with TemporaryDirectory() as folder:
        assert read_manifest(write_manifest(Path(folder) / "s.json", splits, train.ids), train, test) == splits


KINDS: list[dict[str, Any]] = [
    {"fraction": 0.3, "seed": 5},
    {"count": 11, "seed": 2**40},
    {"classes": ["odd"]},
    {"ids": ["a30", "a4"]},
    {"per_class": 3, "seed": 1},
    {"per_class": {"odd": 2, "even": 5}},
    {"where": "owner in [3, 5] and id != a3"},
]


def drawn(kind: dict[str, Any]) -> Splits:
    return make_splits(image_set(50, "a"), image_set(3, "b"), ForgetRequest(**kind), 0.1)


def test_another_process_splits_the_same_whatever_its_hashes() -> None:
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import test_split_properties as here;"
        "print(json.dumps([[s.forget.tolist(), s.validation.tolist()] for s in map(here.drawn, here.KINDS)]))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-W", "ignore", "-c", script, str(Path(__file__).parent)]
    told = subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout
    ours = [[splits.forget.tolist(), splits.validation.tolist()] for splits in map(drawn, KINDS)]
    assert json.loads(told.splitlines()[-1]) == ours


@QUICK
@given(
    n=st.integers(12, 60),
    validation=st.floats(0, 0.5),
    fractions=st.lists(st.floats(0.01, 0.4), min_size=3, max_size=3),
    seeds=st.lists(st.integers(0, 2**32), min_size=3, max_size=3),
)
def test_steps_are_disjoint_complete_and_come_back(
    n: int, validation: float, fractions: list[float], seeds: list[int]
) -> None:
    train, test = image_set(n, "a"), image_set(3, "b")
    splits = make_splits(train, test, None, validation)
    trained, left = splits.train, [len(splits.train)]
    for step, (fraction, seed) in enumerate(zip(fractions, seeds, strict=True)):
        splits = with_request(splits, train, test, ForgetRequest(fraction=fraction, seed=seed), further=step > 0)
        left.append(len(splits.retain))

    shares = [step.forget for step in splits.steps]
    assert sorted(torch.cat([*shares, splits.retain]).tolist()) == trained.tolist() == splits.train.tolist()
    assert splits.forgotten.tolist() == sorted(torch.cat(shares).tolist())
    sizes = [max(1, round(fraction * before)) for fraction, before in zip(fractions, left, strict=False)]
    assert [len(share) for share in shares] == sizes
    with TemporaryDirectory() as folder:
        path = write_manifest(Path(folder) / "s.json", splits, train.ids)
        assert read_manifest(path, train, test) == splits
        at_once = make_splits(train, test, ForgetRequest(file=str(path)), validation)
    assert torch.equal(at_once.retain, splits.retain)
    assert torch.equal(at_once.forget, splits.forgotten)
    assert at_once.counts() == splits.counts()
