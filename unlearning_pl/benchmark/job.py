"""The command lines of a whole job: original, retrained, every method, audit."""

import json
import logging
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.errors import require

REFERENCES = ("original", "retrained")
Command = Callable[[list[str]], None]
"""Runs one command line, a list of words."""
SINGLE_PROCESS = {"devices": 1, "num_nodes": 1}
"""Of each run's trainer, as parsed: processes that a run starts would begin with the whole job, not with that run."""


@dataclass(frozen=True)
class Job:
    """What to train, to forget and to compare, for any seed.

    Attributes:
        fit: Words of the command ``fit``.
        forget: What to forget, as fields of the request but for its seed.
        methods: Words of the command ``unlearn`` by the name of the run.
        unlearn: Words that all methods share; a method's own come later and replace them.
        audit: Words of the command ``audit``.
    """

    fit: str
    forget: Mapping[str, Any]
    methods: Mapping[str, str]
    unlearn: str = ""
    audit: str = ""

    def runs(self, seed: int, folder: str) -> dict[str, str]:
        """The command line of each run by its name, in the order in which they are made.

        Example:
            >>> job = Job("--config a.yaml", {"count": 8}, {"neg_grad": "--method NegGrad"})
            >>> job.runs(0, "runs")["neg_grad"].removeprefix("unlearn --run runs/neg_grad --original runs/original ")
            '--forget.count 8 --forget.seed 0 --method NegGrad --seed_everything 0 --overwrite'
        """
        place, again = shlex.quote(folder), f"--seed_everything {seed} --overwrite"
        retain = f"--data.train_on retain {self._request('--data.forget', seed)}"
        lines = {
            "original": _line(f"fit --run {place}/original", self.fit, again),
            "retrained": _line(f"fit --run {place}/retrained", self.fit, retain, again),
        }
        forget = f"--original {place}/original {self._request('--forget', seed)}"
        for name, words in self.methods.items():
            lines[name] = _line(f"unlearn --run {place}/{name}", forget, self.unlearn, words, again)
        return lines

    def report(self, folder: str, names: Iterable[str]) -> str:
        """The command line that audits the methods named against both references."""
        place = shlex.quote(folder)
        references = f"--original {place}/original --retrained {place}/retrained"
        models = " ".join(f"{place}/{name}" for name in names)
        return _line(f"audit {references} --output {place}/audit", self.audit, f"--model {models}")

    def _request(self, option: str, seed: int) -> str:
        asked = {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.forget.items()}
        return " ".join(f"{option}.{key} {shlex.quote(value)}" for key, value in {**asked, "seed": str(seed)}.items())


def require_single_process() -> None:
    """Refuse processes of torchrun or srun, each of which would run the whole job.

    Raises:
        InputError: If there are several.

    Example:
        >>> require_single_process()
    """
    processes = math.prod(launched_processes().values())
    require(
        processes == 1,
        f"Expected one process, got {processes}. Start the command without torchrun or with one task; other seeds can "
        "run beside it.",
    )


def run_command(line: str, command: Command) -> None:
    """Print a command line and run it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    Console().print(f"\nunlearning-pl {line}", style="bold", soft_wrap=True, highlight=False, markup=False)
    command(shlex.split(line))


def _line(*parts: str) -> str:
    return " ".join(part for part in parts if part)
