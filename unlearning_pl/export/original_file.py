"""The file of another tool that the weights of a run descend from, by the records of the runs between."""

from pathlib import Path

from unlearning_pl.errors import require
from unlearning_pl.training.checkpoint_files import ORIGINAL, weights_digest
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
        folder = original if original.is_dir() else original.parent.parent
        if original.is_file() and not (folder / RECORD).is_file():
            return original
        record = read_record(folder)


def _same_as_recorded(name: str, sha256: str, run: str | Path) -> Path:
    path = Path(name).expanduser()
    remedy = "Give a copy of the file as --like FILE, or export with --names own."
    require(path.exists(), f"Expected {name}, which the run {run} comes from, got no such file. {remedy}")
    found = weights_digest(path)
    require(
        found == sha256,
        f"Expected {name} as it was when the run {run} came from it, SHA-256 {sha256[:12]}, got {found[:12]}. {remedy}",
    )
    return path
