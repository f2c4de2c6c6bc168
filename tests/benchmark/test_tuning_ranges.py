"""Ranges of the package and of plans: each is of its method's own options, and contains the plan's own values."""

import re
from math import floor, log10
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml

from unlearning_pl.benchmark.benchmark_plan import _read_plan
from unlearning_pl.benchmark.search_spaces import SearchSpace, search_spaces
from unlearning_pl.benchmark.suggest_settings import suggest_settings
from unlearning_pl.benchmark.tuning_ranges import Range, shipped_ranges, widen_range
from unlearning_pl.benchmark.tuning_trials import Trial
from unlearning_pl.cli.shipped_configs import shipped_configs

FIT = "--model Classifier --model.backbone resnet9_slim --data.source Digits --data.validation 0.1"
NAMES = sorted(name.removeprefix("tuning/") for name in shipped_configs() if name.startswith("tuning/"))
METHODS = sorted(name.removeprefix("methods/") for name in shipped_configs() if name.startswith("methods/"))


def test_every_method_has_a_file() -> None:
    assert NAMES == METHODS


@pytest.mark.slow
def test_every_method_has_ranges_around_its_defaults(tmp_path: Path) -> None:
    """A row of another name finds them by the class of its method; plug-ins are given as the method here."""
    methods = {}
    for name in METHODS:
        words = f"--config methods/{name}"
        settings = yaml.safe_load(shipped_configs()[f"methods/{name}"].read_text())
        plug_ins = {"coun": "CoUn", "l1_sparse": "L1Sparse", "weight_distance": "WeightDistance"}
        if "method" not in settings or name in plug_ins:
            words += f" --method {plug_ins[name]}"
        methods[f"row_{name}"] = words
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump({"fit": FIT, "forget": {"count": 8}, "methods": methods}))
    spaces = search_spaces(_read_plan(path, ()))
    for name in METHODS:
        space = spaces[f"row_{name}"]
        given = shipped_ranges("", name.replace("_", ""))
        assert [*space.ranges] == [*given]
        for option, one in space.ranges.items():
            assert one.low <= space.own[option] <= one.high
            text = shipped_configs()[f"tuning/{name}"].read_text()
            if "a factor of ten around" not in text:
                assert re.search(r"arXiv|CoUn", text)
            assert (one.low, one.high) == (given[option].low, given[option].high), "the default lies in the range"
    assert spaces["row_scrub"].ranges["--method.max_epochs"].whole


def test_a_plug_in_alone_has_the_ranges_of_its_plan(tmp_path: Path) -> None:
    path, ranges = tmp_path / "plan.yaml", {"--plugins.weight": {"low": 0.1, "high": 2}}
    content = {"fit": "--model SimCLR", "forget": {"count": 8}, "methods": {"coun": "--plugins+=CoUn"}}
    path.write_text(yaml.safe_dump({**content, "tune": {"coun": ranges}}))
    space = search_spaces(_read_plan(path, ()))["coun"]
    assert (space.own, space.ranges["--plugins.weight"]) == ({"--plugins.weight": 1.0}, Range(0.1, 2))


@pytest.mark.parametrize(
    ("given", "own", "low", "high"),
    [(Range(0.01, 0.1), 0.05, 0.01, 0.1), (Range(0.01, 0.1), 0.5, 0.01, 0.5), (Range(0.01, 0.1), 0.001, 0.001, 0.1)],
)
def test_a_range_is_widened_to_the_plans_own_value_and_no_further(
    given: Range, own: float, low: float, high: float
) -> None:
    assert widen_range(given, own, "x")[:2] == (low, high)


def test_choices_are_joined_by_the_plans_own() -> None:
    assert widen_range(Range(choices=(1, 2)), None, "x").choices == (1, 2, None)
    assert widen_range(Range(choices=(1, 2)), 2, "x").choices == (1, 2)


def made_trials(ranges: dict[str, Range], own: dict[str, Any], bound: float = 3.0, seed: int = 7) -> list[Trial]:
    """Thirty trials; the sum of their settings is the distance, and a setting of 1 costs nine points of accuracy."""
    space, trials = SearchSpace(ranges, own, {}), list[Trial]()
    while len(trials) < 30:
        settings = suggest_settings(space, trials, seed, bound)
        trials.append(Trial(settings, sum(settings.values()), accuracy_drop=9.0 if 1 in settings.values() else 0.0))
    assert trials[0].settings == own
    return trials


def test_settings_are_drawn_within_the_ranges_and_rounded() -> None:
    ranges = {"--a": Range(1e-5, 2.0, log=True), "--b": Range(2, 5, whole=True)}
    trials = made_trials(ranges, {"--a": 2.0, "--b": 5})
    for one in trials:
        assert isinstance(one.settings["--b"], int)
        assert 2 <= one.settings["--b"] <= 5
        assert float(f"{one.settings['--a']:.4g}") == one.settings["--a"]
        assert 1e-5 <= one.settings["--a"] <= 2.0
    drawn, late = (mean(one.distance or 0.0 for one in some) for some in (trials[1:11], trials[11:]))
    assert late < drawn  # the first ten are drawn at random


def test_the_first_settings_cover_their_ranges() -> None:
    ranges = {"--a": Range(0.01, 1.0, log=True), "--b": Range(1, 4, whole=True), "--c": Range(choices=("x", "y"))}
    space = SearchSpace(ranges, {"--a": 0.1, "--b": 1, "--c": "x"}, {})
    drawn = [suggest_settings(space, [], 5, 3.0, number) for number in range(1, 5)]
    assert {floor(2 * log10(one["--a"])) for one in drawn} == {-4, -3, -2, -1}  # one in each quarter of the logarithm
    assert len({one["--b"] for one in drawn}) == 4
    assert sorted(one["--c"] for one in drawn) == ["x", "x", "y", "y"]


def test_settings_out_of_bound_are_avoided() -> None:
    ranges = {"--a": Range(choices=(5, 4, 3, 2, 1))}
    beyond, within = (
        sum(one.accuracy_drop == 9.0 for seed in (7, 8, 9) for one in made_trials(ranges, {"--a": 5}, bound, seed)[10:])
        for bound in (3.0, 10.0)
    )
    assert beyond < 12 < within  # 12 of 60 by chance
