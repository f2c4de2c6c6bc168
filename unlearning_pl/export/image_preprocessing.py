"""Size and normalisation of the images that the model of a run takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.data import Source
from unlearning_pl.errors import InputError
from unlearning_pl.images.resizing import ImageSize, Resize, side_of
from unlearning_pl.learners import Learner
from unlearning_pl.learners.library_models import Preprocessing, library_model
from unlearning_pl.training import runs
from unlearning_pl.types import Pixels


def preprocessing_of(
    run: str | Path, learner: Learner, image_size: int | None = None, allow: Sequence[str] = ()
) -> Preprocessing:
    """Size and normalisation of a run's images, by its source, or else by its model; no image is read.

    Args:
        run: The run folder.
        learner: Its learner.
        image_size: Height and width, where neither states it.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.

    Raises:
        InputError: If the size is not known.
    """
    source: Source = runs.instantiate_from_run(run, "source", allow)
    size: ImageSize | None = source.image_size or image_size or _model_size(learner)
    side = side_of(size)
    if size is None or side is None:
        raise InputError(
            f"Expected the size of images that {run} takes, got none from its source. Give --image_size, the height "
            "and width that it was trained with."
        )
    pixels = learner.pixels or Pixels(source.mean, source.std)
    return Preprocessing(size if isinstance(size, Resize) else Resize(side), pixels)


def _model_size(learner: Learner) -> ImageSize | None:
    library = library_model(str(learner.hparams.get("backbone", "")))
    if library is not None and library.preprocessing is not None:
        return library.preprocessing.resize
    side: Any = getattr(learner.backbone, "image_size", None)  # of open_clip's towers
    return None if side is None else int(side[0] if isinstance(side, tuple) else side)
