"""A resumed run repeats what decides its weights, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from unlearning_pl.cli.deciding_settings import RESUME_KEYS, first_change, warn_of_moved_source
from unlearning_pl.cli.finished_runs import configuration

FOLDER = "--data.source Folder --data.source.train a --data.source.test b --data.forget.count 3"
FIT = configuration(f"fit --model SimCLR {FOLDER}".split())
METHOD = "--method NegGrad --plugins+=CoUn --forget.classes [a]"
UNLEARN = configuration(f"unlearn --original {__file__} --model SimCLR {FOLDER} {METHOD}".split())


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


def changed(config: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    name, *rest = path
    return {**config, name: changed(config[name], tuple(rest)) if rest else ["changed"]}


def is_free(path: tuple[str, ...]) -> bool:
    free = (("data", name) for name in ("workers", "eval_batch_size", "source"))
    return path[:2] in free or path[0] not in RESUME_KEYS


@pytest.mark.parametrize("config", [FIT, UNLEARN], ids=["fit", "unlearn"])
def test_each_setting_either_decides_or_may_change(config: dict[str, Any]) -> None:
    paths = [*leaves(config)]
    assert len(paths) > 60
    assert first_change(config, config) is None
    for path in paths:
        change = first_change(config, changed(config, path))
        assert (change is None) == is_free(path), path
    for wanted in ("batch_size", "validation", "train_on", "views", "forget"):
        assert any(path[:2] == ("data", wanted) and not is_free(path) for path in paths)


def test_a_checkpoint_of_before_keeps_the_whole_source() -> None:
    moved = changed(FIT, ("data", "source", "init_args", "train"))
    assert first_change(FIT, moved) is None
    assert first_change(FIT, moved, same_source=True) == ("data.source.train", "a", ["changed"])
    assert first_change(FIT, changed(FIT, ("data", "workers")), same_source=True) is None


def test_a_setting_that_an_earlier_version_did_not_have_is_named() -> None:
    assert first_change({"method": {"init_args": {"a": 1}}}, {"method": {"init_args": {"a": 1, "b": 2}}}) == (
        "method.b",
        None,
        2,
    )


def test_a_source_with_other_settings_is_said_to_be_compared_by_its_fingerprint() -> None:
    moved = changed(FIT, ("data", "source", "init_args", "train"))
    with pytest.warns(UserWarning, match="names and numbers of bytes if they are streamed"):
        warn_of_moved_source(FIT, moved)
    warn_of_moved_source(FIT, changed(FIT, ("data", "workers")))  # warnings are errors
