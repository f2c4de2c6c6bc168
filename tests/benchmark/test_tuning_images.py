"""Images that a tuning asks to forget."""

import json
from pathlib import Path
from typing import Any

import pytest

from unlearning_pl.benchmark.tuning_images import tuning_request
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import Digits, ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError

WORDS = "fit --model SimCLR --data.source Digits --data.source.train_size 120 --data.validation 0.1"
SETTINGS = configuration(WORDS.split())["data"]


def forgotten(forget: dict[str, Any], seed: int) -> set[str]:
    data = UnlearningData(Digits(train_size=120), forget=ForgetRequest(**forget, seed=seed), validation=0.1)
    data.load()
    return {data.ids[row] for row in data.positions("forget").tolist()}


@pytest.mark.parametrize(
    ("forget", "count"),
    [({"count": 20}, 20), ({"fraction": 0.2}, 22), ({"per_class": 2}, 20), ({"per_class": {"3": 2}}, 2)],
)
def test_no_reported_seed_forgets_them(forget: dict[str, Any], count: int, tmp_path: Path) -> None:
    drawn = [tuning_request(SETTINGS, forget, [0, 1], seed, tmp_path) for seed in (7, 7, 8)]
    assert drawn[0] == drawn[1] != drawn[2]
    ids = json.loads(Path(drawn[0]["file"]).read_text())["forget"]
    assert len({*ids}) == len(ids) == count
    reported = forgotten(forget, 0) | forgotten(forget, 1)
    assert len(reported) > count
    assert not reported & {*ids}
    assert forgotten({"file": drawn[0]["file"]}, 7) == {*ids}  # training images: none of them is held out


def test_reported_seeds_that_leave_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected more than 54 training images that none of the seeds 0, 1 forgets"):
        tuning_request(SETTINGS, {"fraction": 0.5}, [0, 1], 7, tmp_path)
    assert not [*tmp_path.iterdir()]
