"""Checks of the command ``shadow`` that run before any shadow model is trained."""

import json
import os
from pathlib import Path

from unlearning_pl.errors import require
from unlearning_pl.evaluation.audited_runs import check_run
from unlearning_pl.training import runs
from unlearning_pl.training.recorded_weights import check_recorded


def check(
    model: str, original: str, retrained: str | None, *, count: int, processes: int | None, seed: int, views: int
) -> None:
    """Check the options, and that the runs belong together.

    Args:
        model: Run folder of the unlearned model.
        original: Run folder of the model that it started from.
        retrained: Run folder of the reference.
        count: Number of shadow models.
        processes: Number of shadow models trained in parallel.
        seed: Seed of the random halves.
        views: Augmented views per image.

    Raises:
        InputError: If an option is out of range, a folder is not a finished run or has other weights than the run ended
            with, or the model did not forget two or more images in one step that started from the original.
    """
    require(
        count >= 4 and count % 2 == 0,
        f"Expected an even --count >= 4, got {count}. Half of the shadow models see an image; papers use 64 and more.",
    )
    require(processes is None or processes >= 1, f"Expected --processes >= 1, got {processes}. Leave it out.")
    most = 2**32 - count - 4  # up to three seeds are skipped
    require(0 <= seed <= most, f"Expected --seed from 0 to {most}, got {seed}. Choose another.")
    require(views >= 2, f"Expected --views >= 2, got {views}. The papers use 10.")
    workers = os.environ.get("WORLD_SIZE", "1")
    require(
        workers == "1", f"Expected one process, got {workers}. Leave torchrun out; shadow starts its own processes."
    )
    check_model(model)
    for name, run in (("model", model), ("original", original), ("retrained", retrained)):
        if run is not None:
            check_run(name, run, model, original)
            runs.read_config(run)
            check_recorded(run)


def check_model(model: str) -> None:
    """Check that a run unlearned two or more images in a single step.

    Raises:
        InputError: If it did not.
    """
    split, ancestors = runs.read_split(model), runs.lineage(model)
    runs.read_record(model)
    require(len(ancestors) > 0, f"Expected a run of unlearn as --model, got {model}. Give an unlearned model.")
    require(
        len(ancestors) == 1 and "steps" not in split,
        f"Expected a --model that forgot everything in one step, got {model}, which started from a run that had "
        "forgotten before. Forget all at once, or give the run of the first step.",
    )
    require(
        len(split["forget"]) >= 2,
        f"Expected 2 or more images to forget, got {len(split['forget'])} in {model}. Each shadow model sees half.",
    )


def check_output(result: Path, model: str) -> None:
    """Refuse an output folder with the result of another model, which would be overwritten.

    Args:
        result: The output file.
        model: Run folder of the unlearned model, absolute.

    Raises:
        InputError: If the file has the result of another model.
    """
    if Path(model) in result.parents:  # the model's own folder, which may have been moved
        return
    try:
        named = json.loads(result.read_text(encoding="utf-8"))["settings"]["model"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # no file, or no result that could be lost
        return
    require(
        named == model,
        f"Expected an --output for {model} alone, got {result.parent}, which has the result of {named}. Give another "
        "--output.",
    )
