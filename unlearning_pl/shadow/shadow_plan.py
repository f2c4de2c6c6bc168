"""The plan of the shadow models: which images each one never sees, and its two command lines.

Letters: N images to forget, S shadow models.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unlearning_pl.cli.finished_runs import RESUME_OPTIONS, can_resume, is_finished_run
from unlearning_pl.data import ForgetRequest
from unlearning_pl.data.splits.request_rows import seeded_permutation
from unlearning_pl.errors import InputError
from unlearning_pl.io import write_text
from unlearning_pl.training import runs

_STREAM = 2  # a separate random stream from those of requests and of held-out images
_SINGLE_PROCESS = {"devices": "1", "num_nodes": "1", "strategy": "auto", "enable_progress_bar": "false"}
"""Trainer options: one process trains a shadow model, however the original was trained, as many share the machine."""


def assign_halves(images: int, count: int, seed: int = 0) -> Tensor:
    """Assign images to shadow models: of each pair, one model sees the half that the other does not.

    For any even number of models half of them see an image, and a larger number does not change the assignment of the
    first ones.

    Args:
        images: N, at least 2.
        count: S, even.
        seed: Seed of the random halves.

    Returns:
        ``(S, N)`` bool. Model 2 j does not see ``N // 2`` images, and model 2 j + 1 does not see the others.

    Example:
        >>> assign_halves(3, 2).sum(0), assign_halves(3, 2).sum(1)
        (tensor([1, 1, 1]), tensor([2, 1]))
    """
    seen = torch.ones(count, images, dtype=torch.bool)
    for pair in range(count // 2):
        order = torch.from_numpy(seeded_permutation(images, (seed, pair, _STREAM)))
        seen[2 * pair, order[: images // 2]] = False
        seen[2 * pair + 1, order[images // 2 :]] = False
    return seen


class Stage(NamedTuple):
    """One of the two runs of a shadow model.

    Attributes:
        words: The command of the run.
        run: Its run folder.
        ids: Ids of the images that it never sees, or unlearns.
        like: The run whose settings and data it shares.
    """

    words: list[str]
    run: Path
    ids: list[str]
    like: str

    def has_same_request(self) -> bool:
        """Whether the existing run, finished or not, has the same data and the same request."""
        try:
            split, expected = runs.read_split(self.run), runs.read_split(self.like)
        except InputError:
            return False
        *_, last = split.get("steps") or [split]
        # compares fingerprints too, because other images can have the same ids
        same = all(split.get(key) == expected.get(key) for key in ("fingerprint", "validation"))
        return same and bool(last["forget"] == self.ids)

    def is_finished(self) -> bool:
        """Whether the run is finished, with the same command, settings, images and original."""
        return self.has_same_request() and is_finished_run(self.words, self.run)

    def command(self) -> list[str]:
        """The command that starts the run, or resumes an interrupted one."""
        resumes = self.has_same_request() and can_resume(self.words, self.run)
        return [*self.words, *RESUME_OPTIONS] if resumes else self.words


@dataclass(frozen=True)
class Shadow:
    """One shadow model: an original that never sees some of the images, and the model unlearned from it.

    Attributes:
        folder: Folder of its two runs.
        seed: Seed of weights and batches.
        unseen: Ids of the images that it never sees.
        seen: Ids of the images that it sees and then unlearns.
        data_options: Options ``--data.*`` that say where the images of the target runs are now.
    """

    folder: Path
    seed: int
    unseen: list[str]
    seen: list[str]
    data_options: tuple[str, ...] = ()

    @property
    def original(self) -> Path:
        """The run before unlearning."""
        return self.folder / "original"

    @property
    def unlearned(self) -> Path:
        """The run after unlearning."""
        return self.folder / "unlearned"

    @property
    def log(self) -> Path:
        """Log file of its commands."""
        return self.folder / "log.txt"

    def write_requests(self) -> None:
        """Write the ids of unseen and of unlearned images to files, for ``forget.file``."""
        for name, ids in (("unseen", self.unseen), ("seen", self.seen)):
            write_text(self.folder / f"{name}.json", json.dumps(ids) + "\n")

    def train(self, original: str) -> Stage:
        """The run that trains it like ``original``, without the images that it never sees."""
        words = ["fit", "--config", str(Path(original) / runs.CONFIG), "--run", str(self.original)]
        return Stage(words + self._words("--data.forget", "unseen"), self.original, self.unseen, original)

    def unlearn(self, model: str, allow: Sequence[str] = ()) -> Stage:
        """The run that unlearns the other images like ``model``; ``allow`` are classes that both may name."""
        words = ["unlearn", "--config", str(Path(model) / runs.CONFIG), "--original", str(self.original)]
        words += ["--run", str(self.unlearned), *self._words("--forget", "seen")]
        words += ["--allow", *allow] if allow else []
        return Stage(words, self.unlearned, self.seen, model)

    def _words(self, option: str, name: str) -> list[str]:
        request = {field.name: "null" for field in fields(ForgetRequest) if field.name not in ("file", "seed")}
        request["file"] = str(self.folder / f"{name}.json")
        words = [word for key, value in request.items() for word in (f"{option}.{key}", value)]
        words += ["--data.train_on", "retain", "--seed_everything", str(self.seed), "--overwrite"]
        words += self.data_options
        return words + [word for key, value in _SINGLE_PROCESS.items() for word in (f"--trainer.{key}", value)]


def seeds(count: int, seed: int, taken: Collection[int]) -> list[int]:
    """A seed for each shadow model, from ``seed`` + 1 upwards, so that none has the initial weights of a target run.

    Args:
        count: S; a larger one keeps the first seeds.
        seed: Seed of the random halves.
        taken: Seeds of the target runs, which are skipped.

    Example:
        >>> seeds(3, 0, taken=[0, 2])
        [1, 3, 4]
    """
    return [*islice((number for number in count_from(seed + 1) if number not in taken), count)]


def plan(
    ids: list[str],
    count: int,
    folder: Path,
    seed: int = 0,
    taken: Collection[int] = (),
    data_options: Sequence[str] = (),
) -> tuple[list[Shadow], Tensor]:
    """Plan all shadow models of a forget set.

    Args:
        ids: Ids of the N images to forget.
        count: S.
        folder: Folder of all shadow models.
        seed: Seed of the random halves; those of the shadow models follow, see :func:`seeds`.
        taken: Seeds that no shadow model may use.
        data_options: Options ``--data.*`` that say where the images of the target runs are now.

    Returns:
        The shadow models, and which of them sees which image, ``(S, N)`` bool.

    Example:
        >>> shadows, seen = plan(["a", "b"], 2, Path("shadows"))
        >>> shadows[0].unseen == shadows[1].seen, shadows[1].seed
        (True, 2)
    """
    seen = assign_halves(len(ids), count, seed)
    shadows = []
    for number, (row, model_seed) in enumerate(zip(seen.tolist(), seeds(count, seed, taken), strict=True)):
        unseen, known = ([name for name, sees in zip(ids, row, strict=True) if sees == kind] for kind in (False, True))
        shadows.append(Shadow(folder / str(number), model_seed, unseen, known, tuple(data_options)))
    return shadows, seen
