"""The forget request of a tuning: drawn among the training images that no reported seed forgets."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from unlearning_pl.cli.command_parser import data_from_options
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.io import write_text


def tuning_request(
    settings: Mapping[str, Any], forget: Mapping[str, Any], seeds: Sequence[int], tune_seed: int, folder: Path
) -> dict[str, Any]:
    """Draw the request of a tuning and write its ids to a file, whose name depends on them.

    Args:
        settings: Settings of the data, as in a run's configuration.
        forget: Fields of the plan's request, which draws, without its seed.
        seeds: Reported seeds.
        tune_seed: Seed of the draw.
        folder: Folder of the file.

    Returns:
        Fields of a request that names the file.

    Raises:
        InputError: If the reported requests leave too few images.
    """
    data: UnlearningData = data_from_options(Namespace(data=settings))  # type: ignore[no-untyped-call]
    data.load()
    reported = sorted({name for seed in seeds for name in _ids(data, ForgetRequest(**forget, seed=seed))})
    count = len(_ids(data, ForgetRequest(**forget, seed=tune_seed)))
    left = len(data.splits.train) - len(reported)
    require(
        count < left,
        f"Expected more than {count} training images that none of the seeds {', '.join(map(str, seeds))} forgets, to "
        f"tune with a request as large, got {left}. Report fewer seeds, or forget fewer images.",
    )
    size = {"count": count} if "fraction" in forget else dict(forget)
    data.request(ForgetRequest(ids=[*reported]))
    data.request(ForgetRequest(**size, seed=tune_seed), further=True)
    chosen = _names(data)
    digest = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]
    content = {"forget": chosen, "request": {**forget, "seed": tune_seed}, "not_forgotten_by_seeds": [*seeds]}
    return {"file": str(write_text(folder / f"forget-{digest}.json", json.dumps(content, indent=1)))}


def _ids(data: UnlearningData, request: ForgetRequest) -> list[str]:
    data.request(request)
    return _names(data)


def _names(data: UnlearningData) -> list[str]:
    return [data.ids[row] for row in data.positions("forget").tolist()]
