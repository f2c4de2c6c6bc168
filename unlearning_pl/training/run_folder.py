"""A run folder while a run is being made: nothing is lost, whatever happens before the first checkpoint."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from unlearning_pl.errors import InputError, require
from unlearning_pl.io import write_json, write_text
from unlearning_pl.training.checkpoints import has_checkpoint
from unlearning_pl.training.runs import CONFIG, MANIFEST, RECORD, environment

ASIDE = ".replaced"
"""Where the run that a new one replaces waits in its folder; alone there if the new one was killed at once."""


@contextmanager
def open_run_folder(
    folder: Path | None, overwrite: bool, checkpoint: Path | None, writes: bool, configuration: str | None = None
) -> Iterator[bool]:
    """Open a run folder; an error before its first checkpoint leaves it as it was.

    Args:
        folder: The run folder; None keeps nothing.
        overwrite: Replace the run that the folder holds; it is put back if the new one fails.
        checkpoint: What is resumed from; if it lies in the folder, the run there goes on.
        writes: Whether this process writes.
        configuration: What its config.yaml says. It is there before other processes are started, which may be told to
            read the one that the run replaces.

    Yields:
        Whether the run is a new one.

    Raises:
        InputError: If the folder cannot be made, holds anything and ``overwrite`` is not set, or holds no run.
    """
    resumed = folder is not None and checkpoint is not None and folder.resolve() in checkpoint.resolve().parents
    if folder is None or not writes:
        yield not resumed
        return
    if resumed:
        _write_configuration(folder, configuration)
        yield False
        shutil.rmtree(folder / ASIDE, ignore_errors=True)  # of the start that this run began with
        return
    check_unused(folder, overwrite)
    existed = folder.exists()
    aside = _set_aside(folder)
    try:
        _write_configuration(folder, configuration)
        yield True
    except BaseException:
        if aside.exists() and not has_checkpoint(folder):  # else the folder is gone, and the error says so
            _put_back(aside, folder, existed)
        raise
    shutil.rmtree(aside)


def _write_configuration(folder: Path, configuration: str | None) -> None:
    if configuration is not None:
        write_text(folder / CONFIG, configuration)


def check_unused(run: Path, overwrite: bool) -> None:
    """Refuse a folder in use.

    Raises:
        InputError: If it holds anything and ``overwrite`` is not set, or holds something that is no run.
    """
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    require(run.is_dir(), f"Expected a folder for the run, got the file {run}. Choose another --run.")
    require(
        overwrite,
        f"Expected a new folder for the run, got {run}, which exists. Choose another --run or add --overwrite.",
    )
    require(
        any((run / name).exists() for name in (CONFIG, MANIFEST, RECORD, ASIDE)),
        f"Expected a run to overwrite, got {run}, which holds something else. Choose another --run.",
    )


def _written(run: Path) -> list[Path]:
    """What a run writes; other files in its folder are the user's."""
    names = (CONFIG, MANIFEST, RECORD, "checkpoints", "audit", "hparams.yaml", "predictions.npz")
    return [*(run / name for name in names if (run / name).exists()), *run.glob("events.out.tfevents.*")]


def _set_aside(run: Path) -> Path:
    aside = run / ASIDE
    try:
        if aside.exists() and not has_checkpoint(run):  # a process was killed before its first checkpoint
            _put_back(aside, run, existed=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for path in _written(run):
            path.rename(aside / path.name)
    except OSError as error:
        raise InputError(
            f"Expected a place to write at --run, got {run} ({error.strerror}). Choose another folder."
        ) from error
    return aside


def _put_back(aside: Path, run: Path, existed: bool) -> None:
    for path in _written(run):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in aside.iterdir():
        path.rename(run / path.name)
    aside.rmdir()
    if not existed:
        with suppress(OSError):  # something else wrote here too
            run.rmdir()


def write_record(run: Path, facts: dict[str, Any]) -> None:
    """Write what a finished run notes of itself: what is given, the time, the run's seed, versions and hardware."""
    seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))
    finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_json(run / RECORD, {**facts, "seed": seed, "finished": finished, **environment()})
