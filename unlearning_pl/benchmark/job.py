"""Command lines of a job: train the original and the retrained model, run every method, audit."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from unlearning_pl.evaluation.audited_runs import retrained_names
from unlearning_pl.report.terminal import open_console
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml

ORIGINAL = "original"
_BETWEEN_REFERENCES = 1000  # seeds between two retrained models of a split: others than those of a benchmark
Command = Callable[[list[str]], object]
"""Runs one command line, given as a list of words."""
SINGLE_PROCESS = {"devices": 1, "num_nodes": 1}
"""Trainer options of every run, as parsed; processes that Lightning launches for a run would execute the whole job."""


@dataclass(frozen=True)
class Job:
    """Options of all commands of a job, independent of the seed.

    Attributes:
        fit: Options of the command ``fit``.
        forget: Fields of the forget request without its seed.
        methods: Options of the command ``unlearn`` by the name of the run.
        unlearn: Options that all methods share; those of a method come later and override them.
        audit: Options of the command ``audit``.
        allow: Packages or classes that the configurations of its runs may name, besides those of this package.
        references: Number of retrained models, which differ by their seeds.
    """

    fit: str
    forget: Mapping[str, Any]
    methods: Mapping[str, str]
    unlearn: str = ""
    audit: str = ""
    allow: tuple[str, ...] = ()
    references: int = 1

    @property
    def retrained(self) -> list[str]:
        """Names of the retrained models."""
        return retrained_names(self.references)

    @property
    def command_count(self) -> int:
        """Number of commands of a seed: the trainings and the audit.

        Example:
            >>> Job("", {}, {"neg_grad": "--method NegGrad"}, references=2).command_count
            5
        """
        return 1 + self.references + len(self.methods) + 1

    def reference_seeds(self, seed: int) -> list[int]:
        """Seeds of the retrained models of a seed, in ascending order.

        Example:
            >>> Job("", {}, {}, references=3).reference_seeds(2)
            [2, 1002, 2002]
        """
        return [seed + _BETWEEN_REFERENCES * number for number in range(self.references)]

    def runs(self, seed: int, folder: str) -> dict[str, str]:
        """The command line of each run by its name, in the order of execution.

        Example:
            >>> job = Job("--config a.yaml", {"count": 8}, {"neg_grad": "--method NegGrad"})
            >>> job.runs(0, "runs")["neg_grad"].removeprefix("unlearn --run runs/neg_grad --original runs/original ")
            '--forget.count 8 --forget.seed 0 --method NegGrad --seed_everything 0 --overwrite'
        """
        path, common = shlex.quote(folder), f"--seed_everything {seed} --overwrite"
        retain = f"--data.train_on retain {self._request('--data.forget', seed)}"
        lines = {
            ORIGINAL: _join(f"fit --run {path}/original", self.fit, common),
        }
        for name, other in zip(self.retrained, self.reference_seeds(seed), strict=True):
            own = f"--seed_everything {other} --overwrite"
            lines[name] = _join(f"fit --run {path}/{name}", self.fit, retain, own)
        forget = f"--original {path}/original {self._request('--forget', seed)}"
        for name, words in self.methods.items():
            lines[name] = _join(f"unlearn --run {path}/{name}", forget, self.unlearn, words, common, self._allow)
        return lines

    def report(self, folder: str, names: Iterable[str]) -> str:
        """The command line that audits the named methods against the original and the retrained models."""
        path = shlex.quote(folder)
        retrained = " ".join(f"{path}/{name}" for name in self.retrained)
        references = f"--original {path}/original --retrained {retrained}"
        models = " ".join(f"{path}/{name}" for name in names)
        return _join(f"audit {references} --output {path}/audit", self.audit, f"--model {models}", self._allow)

    @property
    def _allow(self) -> str:
        return f"--allow {' '.join(self.allow)}" if self.allow else ""

    def _request(self, option: str, seed: int) -> str:
        fields = {
            key: value if isinstance(value, str) else write_inline_yaml(value) for key, value in self.forget.items()
        }
        return " ".join(f"{option}.{key} {shlex.quote(value)}" for key, value in {**fields, "seed": str(seed)}.items())


def run_command(line: str, command: Command) -> None:
    """Print a command line and run it."""
    print_command(line)
    command(shlex.split(line))


def print_command(line: str) -> None:
    """Print a command line."""
    open_console().print(f"\nunlearning-pl {line}", style="bold", soft_wrap=True, highlight=False, markup=False)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
