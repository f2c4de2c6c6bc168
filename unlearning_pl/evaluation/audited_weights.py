"""Weights of the runs of an audit, compared with the records of the runs and with one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from unlearning_pl.audits.embeddings import ORIGINAL, is_retrained
from unlearning_pl.errors import require
from unlearning_pl.training.recorded_weights import is_recorded, run_digest
from unlearning_pl.training.run_record import read_record


@dataclass(frozen=True)
class AuditedWeights:
    """Digests of the weights that are audited.

    Attributes:
        digests: Digest of the weights by the name of the run, see
            :func:`~unlearning_pl.training.recorded_weights.tensors_digest`.
        foreign: Names of the runs whose checkpoint does not have the weights that the run ended with.

    Example:
        >>> AuditedWeights({"original": "a", "retrained": "b", "ac": "a"}, ()).notes
        {'ac': 'It has the same weights as original.'}
    """

    digests: Mapping[str, str]
    foreign: tuple[str, ...]

    @classmethod
    def of(cls, named: Mapping[str, str]) -> "AuditedWeights":
        """Read the weights of runs.

        Args:
            named: Run folders by name.

        Raises:
            InputError: If a run has no checkpoint, or its record is damaged.
        """
        digests = {name: run_digest(run) for name, run in named.items()}
        return cls(digests, tuple(name for name, run in named.items() if not is_recorded(run, digests[name])))

    @property
    def notes(self) -> dict[str, str]:
        """Sentences on the weights of a model, by its name: of other origin, or those of another model."""
        notes: dict[str, str] = {}
        for number, (name, digest) in enumerate(self.digests.items()):
            same = [other for other in [*self.digests][:number] if self.digests[other] == digest]
            sentences = [_FOREIGN] if name in self.foreign else []
            sentences += [f"It has the same weights as {' and '.join(same)}."] if same else []
            if sentences:
                notes[name] = " ".join(sentences)
        return notes

    def check_references(self, named: Mapping[str, str]) -> None:
        """Check that the retrained models are trainings of their own: no copies of one another or of the original.

        Args:
            named: Run folders by name.

        Raises:
            InputError: If two retrained models have the same weights, or were trained by ``unlearning-pl fit`` with the
                same seed, or if one has the original's weights.
        """
        retrained = [name for name in self.digests if is_retrained(name)]
        for name in retrained:
            require(
                self.digests[name] != self.digests.get(ORIGINAL),
                f"Expected a retrained model that never saw the forget set, got {named[name]} with the weights of the "
                f"original {named.get(ORIGINAL)}. Train it by fit with --data.train_on retain.",
            )
        seeds = {name: None if name in self.foreign else _seed_of_command(named[name]) for name in retrained}
        for one, other in combinations(retrained, 2):
            same_seed = seeds[one] is not None and seeds[one] == seeds[other]
            same_weights = self.digests[one] == self.digests[other]
            require(
                not same_weights and not same_seed,
                f"Expected retrained models of different seeds, got {named[one]} and {named[other]} with the same "
                f"{'weights' if same_weights else f'seed {seeds[one]}'}. Give each once, or train one with another "
                "--seed_everything: the floor is their distance.",
            )


def _seed_of_command(run: str) -> Any:
    """Seed of a training by ``unlearning-pl fit``, which it decides; None for one from Python, which is given weights.

    On other devices, or by another number of processes, the same seed ends with weights that differ in the last bits.
    """
    record = read_record(run)
    return record.get("seed") if record["command"][:2] == _FIT else None


_FIT = ["unlearning-pl", "fit"]
_FOREIGN = (
    "Its checkpoint does not have the weights that the run ended with: it is measured as a bare checkpoint, and the "
    "method, seconds, epochs and lineage of the run are not attributed to it."
)
