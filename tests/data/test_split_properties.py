from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unlearning_pl.data import (
    ForgetRequest,
    ImageSet,
    make_splits,
    read_manifest,
    with_request,
    write_manifest,
)

QUICK = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def image_set(n: int, prefix: str) -> ImageSet:
    images = torch.arange(n * 3).to(torch.uint8).view(n, 3, 1, 1)
    return ImageSet(images, torch.arange(n) % 2, [f"{prefix}{row}" for row in range(n)], ["even", "odd"])


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
