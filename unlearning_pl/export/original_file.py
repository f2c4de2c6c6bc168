"""The file of another tool that the weights of a run descend from, by the records of the runs between."""

from pathlib import Path

from unlearning_pl.errors import require
from unlearning_pl.training.checkpoint_files import CHECKPOINT, ORIGINAL, weights_digest
from unlearning_pl.training.import_run import IMPORTED
from unlearning_pl.training.run_record import RECORD, read_record


def original_file(run: str | Path) -> Path | None:
    """Follow the originals of a run to the file that the first of them was made of.

    Args:
        run: The folder of a finished run.

    Returns:
        The file that was imported, or that unlearning started from; None if the weights were trained here.

    Raises:
        InputError: If a run is not finished, or the file or a run on the way is gone or has other content.
    """
    record = read_record(run)
    while True:
        if IMPORTED in record:
            facts = record[IMPORTED]
            return _same_as_recorded(str(facts["file"]), str(facts["sha256"]), run)
        if "original" not in record:
            return None
        original = _same_as_recorded(record["original"], record[ORIGINAL], run)
        run = original if original.is_dir() else original.parent.parent
        if original.is_file() and not (run / RECORD).is_file():
            return original
        record = read_record(run)


def _same_as_recorded(name: str, sha256: str, run: str | Path) -> Path:
    """The file or run of this name that has the recorded content."""
    path = Path(name).expanduser()
    # A run records the name as it was given: from the working directory, which usually holds the run too. The digest
    # decides, so that nothing is guessed.
    folders = [] if path.is_absolute() else Path(run).expanduser().resolve().parents
    named = (path, *(folder / path for folder in folders))
    places = [place for place in named if place.is_file() or (place / CHECKPOINT).is_file()]
    remedy = "Give a copy of the file as --like FILE, or export with --names own."
    remedy = remedy if path.is_absolute() else f"Export in the folder where it was unlearned from. {remedy}"
    require(bool(places), f"Expected {name}, which the run {run} comes from, got no such file. {remedy}")
    digests = [weights_digest(place) for place in places]
    require(
        sha256 in digests,
        f"Expected {name} as it was when the run {run} came from it, SHA-256 {sha256[:12]}, got {digests[0][:12]}. "
        f"{remedy}",
    )
    return places[digests.index(sha256)]
