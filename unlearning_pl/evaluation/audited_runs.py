"""Checks that the runs of an audit are finished and belong together, before anything is computed."""

from collections.abc import Collection, Sequence
from pathlib import Path

from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, is_retrained
from unlearning_pl.errors import require
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import weights_digest

REFERENCES = {"original": "all", "retrained": "retain"}
"""The ``data.train_on`` that each reference run must have."""


def retrained_names(count: int) -> list[str]:
    """Names of the retrained models of an audit, the first of which has the name of a single one.

    Example:
        >>> retrained_names(2)
        ['retrained', 'retrained_2']
    """
    return ["retrained", *(f"retrained_{number}" for number in range(2, count + 1))][:count]


def runs_by_name(models: Sequence[str], original: str | None, retrained: Sequence[str] = ()) -> dict[str, str]:
    """Name the runs of an audit: "original", "retrained" and so on, and the folder's name of each other model.

    Args:
        models: Run folders of unlearned models.
        original: Run folder of the original, if given.
        retrained: Run folders of the retrained models, if given.

    Raises:
        InputError: If two runs have one name.

    Example:
        >>> runs_by_name(["runs/ac"], original="runs/a", retrained=["runs/b", "runs/c"])
        {'original': 'runs/a', 'retrained': 'runs/b', 'retrained_2': 'runs/c', 'ac': 'runs/ac'}
    """
    named = {} if original is None else {"original": original}
    named |= dict(zip(retrained_names(len(retrained)), retrained, strict=True))
    for run in models:
        name = Path(run).resolve().name
        require(
            name not in named and reference_kind(name) is None,
            f"Expected runs with different names, got {name!r} twice or as a reference's. Rename the folder; original, "
            "retrained, retrained_2 and so on are the names of the references.",
        )
        named[name] = run
    return named


def reference_kind(name: str) -> str | None:
    """``original`` or ``retrained`` for the name of a reference, None for that of another model.

    Example:
        >>> reference_kind("retrained_2"), reference_kind("ac")
        ('retrained', None)
    """
    return RETRAINED if is_retrained(name) else ORIGINAL if name == ORIGINAL else None


def check_run(name: str, run: str, model: str, original: str | None, foreign: Collection[str] = ()) -> None:
    """Check that a run is finished and belongs to the first model, before anything is computed.

    Args:
        name: "original", "retrained" or another name.
        run: The run folder.
        model: Run folder of the first model.
        original: Run folder of the model that both started from, if given.
        foreign: Run folders whose checkpoint is not the one that the run ended with: they have no ancestors.

    Raises:
        InputError: If the run has another split, does not match its name, or started from another original.
    """
    runs.read_record(run)
    expected, actual = runs.read_split(model), runs.read_split(run)
    shared = ["fingerprint", "validation"] + ([] if name == "original" else ["forget"])
    different = [key for key in shared if expected.get(key) != actual.get(key)]
    require(
        not different,
        f"Expected runs of one split, got {run} with another {' and '.join(different)} than {model}. "
        "Give runs of the same data and the same forget request.",
    )
    digests = set() if original is None else _digests(original, foreign)
    _check_reference(name, run, [] if model in foreign else runs.lineage(model), _digests(run, foreign), digests)
    ancestors = () if reference_kind(name) or run in foreign else runs.lineage(run)
    begun_from = runs.read_record(run).get("original")
    same_folder = (
        begun_from is not None and original is not None and Path(begun_from).resolve() == Path(original).resolve()
    )
    remedy = "Restore it, or unlearn again." if original in foreign or same_folder else f"Give {begun_from}."
    changed = ", whose checkpoint is another one now" if original in foreign or same_folder else ""
    require(
        original is None or not ancestors or not digests.isdisjoint(ancestors),
        f"Expected the original that {run} started from, got {original}{changed}. {remedy}",
    )


def _digests(run: str, foreign: Collection[str]) -> set[str]:
    """SHA-256 of a run's checkpoint, and of the file that it was imported from, which has the same weights."""
    imported = {} if run in foreign else runs.read_record(run).get("imported", {})
    return {weights_digest(run), *([imported["sha256"]] if imported else [])}


def _check_reference(
    name: str, run: str, ancestors: Sequence[str], digests: Collection[str], original: Collection[str]
) -> None:
    """Check a reference: the original is an ancestor or was trained on all, the retrained model from scratch on retain.

    Args:
        name: Name of the run; any but "original" and "retrained" passes.
        run: The run folder.
        ancestors: SHA-256 of the checkpoints of all ancestors of the first model.
        digests: SHA-256 of the run's own weights.
        original: SHA-256 of the original's weights.
    """
    kind = reference_kind(name)
    if kind is None or (kind == "original" and not {*digests}.isdisjoint(ancestors)):
        return
    trained_on, expected = runs.read_config(run)["data"].get("train_on"), REFERENCES[kind]
    command = "unlearn" if "original" in runs.read_record(run) else "fit"
    require(
        trained_on == expected and command == "fit",
        f"Expected a run of fit with data.train_on = {expected} as --{kind}, got {run}, a run of {command} with "
        f"{trained_on}. Give another run.",
    )
    initial_weights = runs.read_record(run).get("weights_sha256")
    require(
        initial_weights is None or initial_weights not in {*ancestors, *original},
        f"Expected a run that never saw the forget set as --{kind}, got {run}, which started from weights "
        "of a run that did. Train it without --weights.",
    )
