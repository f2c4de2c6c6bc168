"""Which settings of a run decide its weights: a resumed run must repeat them, and may change the others."""

from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.learners.optimizer_settings import NOT_RECORDED, OPTIMIZER_KEYS

RESUME_KEYS = (
    *("seed_everything", "model", "data", "weights", "forget"),
    *("method", "plugins", "stop", "stop_every", *OPTIMIZER_KEYS),
)
"""Settings that a resumed run must repeat; the trainer's are checked by the checkpoint, the original by its digest."""
FREE = ("data.workers", "data.eval_batch_size", "data.source")
"""Settings below them that decide nothing.

An evaluation batch decides what a method measures before the first step, which a checkpoint has. Workers draw nothing
at random. A source decides through its images, labels, ids and captions, whose fingerprint is compared, and through its
normalisation, which a checkpoint records: where the images are may change. Whether they are held in memory or streamed
may not, since the two have other fingerprints.
"""

ADDED: Mapping[str, Any] = {"model.projection_head": "lightly", "model.bn_splits": 1, "method.decay": True}
"""What runs had that do not record a setting, since it was added later."""


def first_change(
    recorded: Mapping[str, Any], current: Mapping[str, Any], same_source: bool = False
) -> tuple[str, Any, Any] | None:
    """Find the first setting that decides the weights and differs from the recorded one.

    Args:
        recorded: The configuration of the run.
        current: The configuration of the command that resumes it.
        same_source: Compare the settings of the source too, where no checkpoint records its normalisation.

    Returns:
        The key, the recorded and the current value; None if all agree.

    Example:
        >>> recorded = {"data": {"batch_size": 8, "workers": 1, "source": {"init_args": {"train": "a"}}}}
        >>> moved = {"data": {"batch_size": 8, "workers": 2, "source": {"init_args": {"train": "b"}}}}
        >>> first_change(recorded, moved)
        >>> first_change(recorded, {"data": {**moved["data"], "batch_size": 16}})
        ('data.batch_size', 8, 16)
    """
    free = FREE[:-1] if same_source else FREE
    before, now = {**NOT_RECORDED, **recorded}, {**NOT_RECORDED, **current}
    changes = (change for key in RESUME_KEYS for change in _changes(key, before.get(key), now.get(key)))
    return next(((_as_typed(key), *values) for key, *values in changes if not _is_below(key, free)), None)


def warn_of_moved_source(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Warn if the settings of the source differ: the fingerprint alone says that it has the same images.

    That of images in memory covers their pixels; that of streamed images their number of bytes, see
    :meth:`~unlearning_pl.images.encoded_images.EncodedImages.fingerprint`.
    """
    if first_change({"data": recorded["data"]}, {"data": current["data"]}, same_source=True) is not None:
        rank_zero_warn(
            "The source has other settings than the run had. Its images are compared by their fingerprint: by their "
            "pixels in memory, but by their names and numbers of bytes if they are streamed."
        )


def _changes(key: str, recorded: Any, current: Any) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ, by their keys."""
    if not (isinstance(recorded, Mapping) and isinstance(current, Mapping)):
        if recorded != current:
            yield key, recorded, current
        return
    for name in {**recorded, **current}:
        before = ADDED.get(_as_typed(f"{key}.{name}"))
        yield from _changes(f"{key}.{name}", recorded.get(name, before), current.get(name, before))


def _as_typed(key: str) -> str:
    """The key of a setting as an option of the command line."""
    return ".".join(part for part in key.split(".") if part not in ("class_path", "init_args"))


def _is_below(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)
