"""Opening of a run folder for a new or resumed run; an error before the first checkpoint restores the folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from unlearning_pl.errors import InputError, require
from unlearning_pl.io import write_json, write_text
from unlearning_pl.training.checkpoint_files import has_checkpoint
from unlearning_pl.training.recorded_weights import digest_fact
from unlearning_pl.training.run_lock import LOCK
from unlearning_pl.training.runs import CONFIG, MANIFEST, RECORD, environment

BACKUP = ".replaced"
"""Subfolder of a run folder that holds the replaced run until the new one succeeds.

It is the only content of the folder if the new run was killed at once.
"""


@contextmanager
def open_run_folder(
    folder: Path | None, overwrite: bool, checkpoint: Path | None, writes: bool, configuration: str | None = None
) -> Iterator[bool]:
    """Open a run folder; an error before the first checkpoint restores its previous content.

    Args:
        folder: The run folder; with None nothing is saved.
        overwrite: Replace the run that the folder holds; that run is restored if the new one fails.
        checkpoint: Checkpoint to resume from; if it is in the folder, the run in the folder is resumed.
        writes: Whether this process writes.
        configuration: Content of config.yaml. It is written before other processes are started, since their command
            lines may name the config.yaml of the replaced run.

    Yields:
        Whether the run is new.

    Raises:
        InputError: If the folder cannot be created, is not empty and ``overwrite`` is not set, or holds no run.
    """
    resumed = folder is not None and checkpoint is not None and folder.resolve() in checkpoint.resolve().parents
    if folder is None or not writes:
        yield not resumed
        return
    if resumed:
        _write_configuration(folder, configuration)
        yield False
        shutil.rmtree(folder / BACKUP, ignore_errors=True)  # left by the first start of this run
        return
    check_run_folder(folder, overwrite)
    existed = folder.exists()
    backup = _back_up(folder)
    try:
        _write_configuration(folder, configuration)
        yield True
    except BaseException:
        if backup.exists() and not has_checkpoint(folder):  # without a backup the folder is gone: the error says so
            _restore(backup, folder, existed)
        raise
    shutil.rmtree(backup)


def _write_configuration(folder: Path, configuration: str | None) -> None:
    if configuration is not None:
        write_text(folder / CONFIG, configuration)


def check_run_folder(run: Path, overwrite: bool) -> None:
    """Check that a run may be written to a folder.

    Raises:
        InputError: If the folder is not empty and ``overwrite`` is not set, or if it holds files but no run.
    """
    if not run.exists() or (run.is_dir() and all(path.name == LOCK for path in run.iterdir())):
        return
    require(run.is_dir(), f"Expected a folder for the run, got the file {run}. Choose another --run.")
    require(
        overwrite,
        f"Expected a new folder for the run, got {run}, which exists. Choose another --run or add --overwrite.",
    )
    require(
        any((run / name).exists() for name in (CONFIG, MANIFEST, RECORD, BACKUP)),
        f"Expected a run to overwrite, got {run}, which holds something else. Choose another --run.",
    )


def _run_files(run: Path) -> list[Path]:
    """List the existing files that a run writes; other files in the folder are the user's."""
    names = (CONFIG, MANIFEST, RECORD, "checkpoints", "audit", "hparams.yaml", "predictions.npz")
    return [*(run / name for name in names if (run / name).exists()), *run.glob("events.out.tfevents.*")]


def _back_up(run: Path) -> Path:
    backup = run / BACKUP
    try:
        if backup.exists() and not has_checkpoint(run):  # a process was killed before its first checkpoint
            _restore(backup, run, existed=True)
        shutil.rmtree(backup, ignore_errors=True)
        backup.mkdir(parents=True)
        for path in _run_files(run):
            path.rename(backup / path.name)
    except OSError as error:
        raise InputError(
            f"Expected a writable folder as --run, got {run} ({error.strerror}). Choose another folder."
        ) from error
    return backup


def _restore(backup: Path, run: Path, existed: bool) -> None:
    for path in _run_files(run):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in backup.iterdir():
        path.rename(run / path.name)
    backup.rmdir()
    if not existed:
        with suppress(OSError):  # the folder also holds files that are not the run's
            run.rmdir()


def write_record(run: Path, facts: dict[str, Any]) -> None:
    """Write the record of a finished run, run.json: ``facts``, digest of the weights, time, versions, hardware."""
    finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_json(run / RECORD, {**facts, **digest_fact(run), "finished": finished, **environment()})
