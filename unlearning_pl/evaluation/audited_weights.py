"""Weights of the runs of an audit, compared with the records of the runs and with one another."""

from collections.abc import Mapping
from dataclasses import dataclass

from unlearning_pl.training.recorded_weights import is_recorded, run_digest


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


_FOREIGN = (
    "Its checkpoint does not have the weights that the run ended with: it is measured as a bare checkpoint, and the "
    "method, seconds, epochs and lineage of the run are not attributed to it."
)
