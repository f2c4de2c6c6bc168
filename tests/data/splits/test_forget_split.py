import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlearning_pl.data import ForgetRequest, ImageSet, Splits, fingerprint, make_splits, with_request
from unlearning_pl.data.splits.request_rows import seeded_permutation
from unlearning_pl.errors import InputError


def partition(splits: Splits) -> list[int]:
    """Positions of all splits together, sorted: each of the pool once, if they are disjoint and complete."""
    parts = (splits.retain, splits.forget, splits.validation, splits.test)
    assert all(torch.equal(part, part.sort().values) and part.dtype == torch.int64 for part in parts)
    return sorted(torch.cat(parts).tolist())


@pytest.mark.parametrize("validation", [0.0, 0.01, 0.25, 0.5])
@pytest.mark.parametrize(
    "request_",
    [
        None,
        ForgetRequest(),
        ForgetRequest(fraction=0.5, seed=3),
        ForgetRequest(count=1),
        ForgetRequest(classes=["cat"]),
    ],
)
def test_every_image_is_in_one_split(
    train: ImageSet, test: ImageSet, request_: ForgetRequest | None, validation: float
) -> None:
    splits = make_splits(train, test, request_, validation)
    assert partition(splits) == list(range(52))
    assert splits.test.tolist() == list(range(40, 52))
    assert len(splits.validation) == {0.0: 0, 0.01: 1, 0.25: 10, 0.5: 20}[validation]
    assert splits.train.tolist() == sorted(splits.retain.tolist() + splits.forget.tolist())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ForgetRequest(), 0),
        (ForgetRequest(fraction=0.1), 4),
        (ForgetRequest(fraction=1e-6), 1),
        (ForgetRequest(fraction=0.5), 20),
        (ForgetRequest(count=1), 1),
        (ForgetRequest(count=39), 39),
        (ForgetRequest(classes=["cat"]), 10),
        (ForgetRequest(classes=["dog", "1"]), 20),
        (ForgetRequest(ids=["train/5", "train/0"]), 2),
    ],
)
def test_a_request_means_as_many_images_as_it_says(
    train: ImageSet, test: ImageSet, request_: ForgetRequest, expected: int
) -> None:
    assert len(make_splits(train, test, request_).forget) == expected


def test_a_share_is_of_the_images_that_are_trained_on(train: ImageSet, test: ImageSet) -> None:
    counts = make_splits(train, test, ForgetRequest(fraction=0.1), validation=0.25).counts()
    assert counts == {"retain": 27, "forget": 3, "validation": 10, "test": 12}


def test_classes_and_ids_mean_exactly_those_images(train: ImageSet, test: ImageSet) -> None:
    splits = make_splits(train, test, ForgetRequest(classes=["cat", "3"]), validation=0.25)
    kept = [row for row in range(40) if row not in splits.validation.tolist()]
    assert splits.forget.tolist() == [row for row in kept if row % 4 in (1, 3)]
    ids = [train.ids[row] for row in (kept[3], kept[1])]
    assert make_splits(train, test, ForgetRequest(ids=ids), 0.25).forget.tolist() == [kept[1], kept[3]]


def test_a_name_goes_before_a_number(train: ImageSet, test: ImageSet) -> None:
    renamed = replace(train, class_names=["3", "2", "1", "0"])
    assert make_splits(renamed, test, ForgetRequest(classes=["3"])).forget.tolist() == list(range(0, 40, 4))


def test_the_draw_is_the_seed_s_alone(train: ImageSet, test: ImageSet) -> None:
    first, again, other = (make_splits(train, test, ForgetRequest(count=10, seed=seed), 0.25) for seed in (0, 0, 1))
    assert first == again
    assert not torch.equal(first.forget, other.forget)
    assert torch.equal(first.validation, other.validation)
    assert torch.equal(first.validation, make_splits(train, test, None, 0.25).validation)


def test_the_draw_stays_what_it_is() -> None:
    # Written down once, in another process: manifests and published numbers depend on these draws.
    assert seeded_permutation(8, 0).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]
    assert seeded_permutation(8, (0, 1)).tolist() == [1, 3, 7, 6, 0, 4, 2, 5]
    assert seeded_permutation(100_000, 7)[:6].tolist() == [45070, 71435, 99538, 45453, 95412, 41945]
    assert (
        hashlib.sha256(seeded_permutation(100_000, 2**40).astype("<i8").tobytes()).hexdigest()[:16]
        == "32b9048107e7a674"
    )
    assert seeded_permutation(3, 0).dtype == np.int64


def test_the_draw_is_a_fair_shuffle() -> None:
    counts = np.zeros((5, 5))
    for seed in range(4000):
        counts[np.arange(5), seeded_permutation(5, seed)] += 1
    assert np.abs(counts / 4000 - 0.2).max() < 5 * (0.2 * 0.8 / 4000) ** 0.5


def test_the_draw_of_a_class_stays_what_it_is(train: ImageSet, test: ImageSet) -> None:
    assert make_splits(train, test, ForgetRequest(per_class={"cat": 3}, seed=2)).forget.tolist() == [1, 9, 29]


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_as_many_of_every_class_as_asked(train: ImageSet, test: ImageSet, validation: float) -> None:
    splits = make_splits(train, test, ForgetRequest(per_class=3), validation)
    assert torch.bincount(train.targets[splits.forget]).tolist() == [3, 3, 3, 3]
    named = make_splits(train, test, ForgetRequest(per_class={"dog": 2, "3": 4}), validation)
    assert torch.bincount(train.targets[named.forget]).tolist() == [0, 0, 2, 4]


@pytest.mark.parametrize("asked", [{"per_class": 3}, {"per_class": {"0": 3}}, {"classes": "0"}])
def test_images_without_classes_are_not_asked_by_class(asked: dict[str, Any], train: ImageSet, test: ImageSet) -> None:
    unlabelled = replace(train, class_names=[], targets=train.targets * 0)
    with pytest.raises(InputError, match=f"Expected images with classes for forget.{next(iter(asked))}, got images w"):
        make_splits(unlabelled, test, ForgetRequest(**asked))


def test_what_is_drawn_from_a_class_depends_on_no_other(train: ImageSet, test: ImageSet) -> None:
    alone = make_splits(train, test, ForgetRequest(per_class={"dog": 4}, seed=3)).forget
    beside = make_splits(train, test, ForgetRequest(per_class={"cat": 2, "dog": 4}, seed=3)).forget
    every = make_splits(train, test, ForgetRequest(per_class=4, seed=3)).forget
    other = make_splits(train, test, ForgetRequest(per_class={"dog": 4}, seed=4)).forget
    assert [alone.tolist()] * 2 == [[row for row in rows.tolist() if row % 4 == 2] for rows in (beside, every)]
    assert other.tolist() != alone.tolist()
    rows = [row for row in range(40) if row % 4 != 1]  # without cats, and dogs have another number
    targets = torch.tensor([{0: 0, 2: 1, 3: 2}[row % 4] for row in rows])
    fewer = replace(train.take(rows), class_names=["airplane", "dog", "ship"], targets=targets)
    found = make_splits(fewer, test, ForgetRequest(per_class={"dog": 4}, seed=3)).forget
    assert [rows[row] for row in found.tolist()] == alone.tolist()


def test_a_class_that_is_forgotten_is_none_of_every_class(train: ImageSet, test: ImageSet) -> None:
    first = make_splits(train, test, ForgetRequest(classes=["cat"]))
    second = further(first, train, test, per_class=2)
    assert torch.bincount(train.targets[second.forget]).tolist() == [2, 0, 2, 2]
    with pytest.raises(InputError, match="up to 0 for the class 'cat'"):
        further(first, train, test, per_class={"cat": 1})


def test_another_request_keeps_what_is_held_out(train: ImageSet, test: ImageSet) -> None:
    request = ForgetRequest(fraction=0.2, seed=5)
    original = make_splits(train, test, None, 0.25)
    changed = with_request(original, train, test, request)
    assert changed == make_splits(train, test, request, 0.25)
    assert with_request(changed, train, test, ForgetRequest()) == original
    assert changed.request is request


def further(splits: Splits, train: ImageSet, test: ImageSet, **asked: Any) -> Splits:
    return with_request(splits, train, test, ForgetRequest(**asked), further=True)


def test_a_further_request_is_of_what_is_still_retained(train: ImageSet, test: ImageSet) -> None:
    first = make_splits(train, test, ForgetRequest(classes=["cat"]), validation=0.25)
    second = further(first, train, test, fraction=0.5, seed=1)
    assert len(second.forget) == round(0.5 * len(first.retain))
    assert set(second.forget.tolist()) < set(first.retain.tolist())
    assert torch.equal(second.train, first.train)
    assert torch.equal(second.validation, first.validation)
    assert second.counts()["forget"] == len(first.forget) + len(second.forget) == len(second.forgotten)
    assert [step.request for step in second.steps] == [first.request, second.request]


def test_a_request_in_place_of_another_forgets_the_steps(train: ImageSet, test: ImageSet) -> None:
    second = further(make_splits(train, test, ForgetRequest(count=4)), train, test, count=4)
    assert with_request(second, train, test, ForgetRequest(ids=["train/3"])) == make_splits(
        train, test, ForgetRequest(ids=["train/3"])
    )


def test_splits_differ_by_their_steps(train: ImageSet, test: ImageSet) -> None:
    first = make_splits(train, test, ForgetRequest(ids=["train/1"]))
    second = further(first, train, test, ids=["train/2"])
    other = further(make_splits(train, test, ForgetRequest(ids=["train/2"])), train, test, ids=["train/1"])
    at_once = make_splits(train, test, ForgetRequest(ids=["train/1", "train/2"]))
    assert second == further(first, train, test, ids=["train/2"])
    assert torch.equal(second.forgotten, at_once.forget)
    assert second != other
    assert second != at_once


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"ids": ["train/1"]}, "in forget.ids, got 'train/1', which has been forgotten before. Leave it out."),
        ({"classes": ["cat"]}, "1 to 29 of the 30 images still retained, got classes=['cat'], which means none."),
        ({"classes": ["0", "2", "3"]}, "got classes=['0', '2', '3'], which means all."),
        ({"count": 30}, "got count=30, which means all. Ask for some, and leave some to retain."),
    ],
)
def test_a_further_request_that_cannot_be_met_gets_one_line(
    asked: dict[str, Any], message: str, train: ImageSet, test: ImageSet
) -> None:
    first = make_splits(train, test, ForgetRequest(classes=["cat"]))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        further(first, train, test, **asked)
    assert len(str(caught.value).splitlines()) == 1


def wrong(field: str, value: Any) -> Callable[[], ForgetRequest]:
    return lambda: ForgetRequest(**{field: value})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (wrong("fraction", 0.0), r"forget.fraction above 0 and below 1, got 0.0\."),
        (wrong("fraction", 1.0), r"got 1.0\."),
        (wrong("fraction", float("nan")), r"got nan\."),
        (wrong("fraction", 0.999), r"got fraction=0.999, which means all\."),
        (wrong("count", 0), r"forget.count >= 1, got 0\."),
        (wrong("count", 30), r"1 to 29 of the 30 images trained on, got count=30, which means all\."),
        (wrong("count", 31), r"got count=31, which means all\."),
        (
            wrong("classes", ["cats"]),
            r"forget.classes, got 'cats'. Choose from: cat; or a number from 0 to 3\.",
        ),
        (wrong("classes", ["xyz"]), r"got 'xyz'. Choose from: airplane, cat, dog, ship;"),
        (wrong("classes", ["4"]), r"got '4'\."),
        (wrong("classes", ["-1"]), r"got '-1'\."),
        (wrong("classes", []), r"which means none\."),
        (wrong("classes", ["0", "1", "2", "3"]), r"which means all\."),
        (wrong("ids", []), r"which means none\."),
        (wrong("ids", ["train/99"]), r"forget.ids, got 'train/99', which is not in the training data\."),
        (wrong("ids", ["test/3"]), r"got 'test/3', which is a test image"),
        (wrong("per_class", 0), r"forget.per_class >= 1, got 0\."),
        (wrong("per_class", {"cat": 2, "dog": 0}), r"forget.per_class.dog >= 1, got 0\."),
        (wrong("per_class", {}), r"which means none\."),
        (wrong("per_class", {"cats": 2}), r"forget.per_class, got 'cats'. Choose from: cat;"),
        (wrong("per_class", {"cat": 2, "1": 2}), r"each class once in forget.per_class, got cat, 1\."),
        (wrong("per_class", {"cat": 11}), r"for the class 'cat', which has no more images to choose from, got 11\."),
        (wrong("seed", -1), r"forget.seed >= 0, got -1\."),
        (lambda: ForgetRequest(count=1, ids=["train/0"]), r"got count and ids\. Keep one"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_one_line(
    train: ImageSet, test: ImageSet, request_: Callable[[], ForgetRequest], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_splits(train, test, request_(), validation=0.25)
    assert len(str(caught.value).splitlines()) == 1


def test_ids_that_are_held_out_or_doubled_are_refused(train: ImageSet, test: ImageSet) -> None:
    splits = make_splits(train, test, None, 0.25)
    held_out = train.ids[int(splits.validation[0])]
    kept = train.ids[int(splits.retain[0])]
    with pytest.raises(InputError, match=f"got '{held_out}', which is held out for validation"):
        make_splits(train, test, ForgetRequest(ids=[held_out]), 0.25)
    with pytest.raises(InputError, match=f"got '{held_out}', which is held out for validation"):
        with_request(splits, train, test, ForgetRequest(ids=[held_out]))
    with pytest.raises(InputError, match=f"got '{kept}', twice"):
        make_splits(train, test, ForgetRequest(ids=[kept, kept]), 0.25)


@pytest.mark.parametrize("validation", [-0.1, 1.0, 0.99, float("nan")])
def test_a_share_to_hold_out_is_checked(train: ImageSet, test: ImageSet, validation: float) -> None:
    with pytest.raises(InputError, match=f"Expected validation from 0 to below 1, got {validation} of 40"):
        make_splits(train, test, None, validation)


def test_ids_of_train_and_test_must_differ(train: ImageSet) -> None:
    with pytest.raises(InputError, match="got 'train/0' twice"):
        make_splits(train, train)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "train/7\n\n  train/2  \r\n", [2, 7]),
        ("a.txt", "\ufefftrain/7", [7]),
        ("a.csv", "name,id\nx,train/3\ny,train/1\n", [1, 3]),
        ("a.csv", "image,label\ntrain/3,0\n\ntrain/1,0\n", [1, 3]),
        ("a.csv", "train/3\ntrain/1\n", [1, 3]),
        ("a.json", '["train/7", "train/2"]', [2, 7]),
        ("a.JSON", '{"version": 1, "forget": ["train/7"], "validation": ["train/0"]}', [7]),
    ],
)
def test_files_of_ids(
    name: str, text: str, expected: list[int], train: ImageSet, test: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert make_splits(train, test, ForgetRequest(file=str(tmp_path / name))).forget.tolist() == expected


def test_numbers_in_a_json_list_are_ids(train: ImageSet, test: ImageSet, tmp_path: Path) -> None:
    numbered = replace(train, ids=[str(row) for row in range(40)])
    (tmp_path / "a.json").write_text("[4, 2]")
    request = ForgetRequest(file=str(tmp_path / "a.json"))
    assert make_splits(numbered, test, request).forget.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", None, r"not readable \(No such file"),
        ("a.md", "train/1", r"Expected .txt, .csv or .json at forget.file"),
        ("a.json", "{", "does not parse"),
        ("a.json", '{"retain": []}', "does not parse"),
        ("a.json", '{"forget": "train/1"}', "no list of strings"),
        ("a.json", "[true]", "no list of strings"),
        ("a.json", "3", "no list of strings"),
        ("a.txt", b"\xff\xfe", "does not parse"),
        ("a.txt", "", "which means none"),
        ("a.csv", "", "which means none"),
        ("a.csv", "name,id\nx,train/3\ny\n", "to have 2 columns, got 1 values in line 3"),
        ("a.csv", "name,id\nx,train/3\ny,\n", "does not parse \\(no id in the row 'y,'\\)"),
        ("a.txt", "train/1\ntrain/1", "in forget.file, got 'train/1', twice"),
        ("a.txt", "train/100", "in forget.file, got 'train/100', which is not in"),
    ],
)
def test_a_bad_file_of_ids_is_named(
    name: str, text: str | bytes | None, message: str, train: ImageSet, test: ImageSet, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        make_splits(train, test, ForgetRequest(file=str(tmp_path / name)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("part", [0, 1])
def test_the_fingerprint_is_of_everything_that_matters(part: int, train: ImageSet, test: ImageSet) -> None:
    pixels = (train, test)[part].images.clone()
    pixels[-1, -1, -1, -1] ^= 1
    targets = (train, test)[part].targets.clone()
    targets[0] = 2
    ids = ["new", *(train, test)[part].ids[1:]]
    seen = {fingerprint(train, test), fingerprint(test, train)}
    for change in ({"images": pixels}, {"targets": targets}, {"ids": ids}):
        sets = [train, test]
        sets[part] = replace(sets[part], **change)
        seen.add(fingerprint(*sets))
    assert len(seen) == 5
    for said in ([("a",)] * len(train), [("a",)] * (len(train) - 1) + [("a", "b")]):
        seen.add(fingerprint(replace(train, captions=said), test))
    assert len(seen) == 7
    strided = replace(train, images=train.images.to(memory_format=torch.channels_last))
    assert fingerprint(strided, test) == fingerprint(train, test)


def test_splits_differ_by_their_rows(train: ImageSet, test: ImageSet) -> None:
    splits = make_splits(train, test, ForgetRequest(ids=["train/1"]))
    assert splits == with_request(splits, train, test, ForgetRequest(ids=["train/1"]))
    assert splits != with_request(splits, train, test, ForgetRequest(ids=["train/2"]))
    assert splits != replace(splits, fingerprint="other")
    assert splits != "splits"
