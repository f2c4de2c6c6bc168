"""Image processors of Hugging Face's transformers as evaluation transforms, and back.

What is read of a processor is compared with what it does to an image: steps that are not known here are refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.images.resizing import Interpolation, Resize
from unlearning_pl.learners.library_models import Preprocessing
from unlearning_pl.types import Pixels

CONFIG = "config.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""Files of an image processor; the second is that of a model which also reads text."""
LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""Options of ``from_pretrained``: no download, and no code of a folder is run."""
_FILTERS: dict[int, Interpolation] = {0: "nearest", 2: "bilinear", 3: "bicubic"}


def processor_files(folder: Path) -> list[Path]:
    """Files of the image processor in a folder, those of :data:`PROCESSORS` first."""
    return [folder / name for name in PROCESSORS if (folder / name).is_file()]


def read_preprocessing(folder: Path) -> Preprocessing:
    """Evaluation transform of the image processor in a folder.

    Raises:
        InputError: If there is none, or it does anything but resize, crop the centre and normalise.
    """
    require(
        bool(processor_files(folder)),
        f"Expected {PROCESSORS[0]}, with the size and normalisation of images, in {folder}, got none. Save the image "
        f"processor there (save_pretrained), or name {folder / CONFIG} as --architecture or --model.backbone, "
        "which leaves both to the data source.",
    )
    from transformers import AutoImageProcessor

    processor: Any = load_locally(
        lambda: AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL), "an image processor", folder
    )
    found = _as_preprocessing(processor)
    if found is None or not _is_same(processor, found):
        raise InputError(
            "Expected an image processor that resizes, crops the centre and normalises, got "
            f"{type(processor).__name__} in {folder} with other steps. Name {folder / CONFIG} as --architecture or "
            "--model.backbone, and give --data.source.image_size."
        )
    return found


def _as_preprocessing(processor: Any) -> Preprocessing | None:
    """Evaluation transform that an image processor describes; None if it describes none of squares."""
    names = ("size", "crop_size", "crop_pct")
    settings: list[Any] = [getattr(processor, name, None) for name in names]
    size, crop, share = settings
    filter = _FILTERS.get(int(processor.resample))
    short = size and (size.shortest_edge or (size.height if size.height == size.width else None))
    side = crop.height if processor.do_center_crop and crop else short
    if not (short and side and filter and processor.do_resize) or short < side:
        return None
    resize = Resize(side, short, filter, squash=not size.shortest_edge, style="transformers")
    if share is not None:  # ConvNext's: a part of small images, and all of large ones
        resize = Resize(side, int(side / share), filter, style="transformers")
        resize = resize if side < 384 else Resize(side, side, filter, squash=True, style="transformers")
    mean, std = (tuple(getattr(processor, name) or ()) for name in ("image_mean", "image_std"))
    return Preprocessing(resize, Pixels(mean, std)) if len(mean) == len(std) == 3 else None


def _is_same(processor: Any, found: Preprocessing) -> bool:
    """Whether an image processor does what was read of it, by an image whose sides are odd."""
    levels = np.random.default_rng(0).integers(256, size=(301, 203, 3), dtype=np.uint8)
    image = Image.fromarray(levels)
    expected = load_locally(
        lambda: processor(image, return_tensors="np"), "an image processor", Path(type(processor).__name__)
    )["pixel_values"][0]
    ours = (np.asarray(found.resize(image)) / 255 - found.pixels.mean) / found.pixels.std
    return bool(expected.shape == (*ours.shape[2:], *ours.shape[:2])) and bool(
        np.allclose(expected, ours.transpose(2, 0, 1), atol=1e-4)
    )


def processor_settings(preprocessing: Preprocessing) -> dict[str, Any]:
    """An image processor of transformers' own that resizes, crops the centre and normalises."""
    resize, (mean, std) = preprocessing
    short = resize.shorter_side or resize.size
    size = {"height": short, "width": short} if resize.squash else {"shortest_edge": short}
    return {
        "image_processor_type": "DeiTImageProcessor" if resize.squash else "CLIPImageProcessor",
        **dict.fromkeys(("do_resize", "do_center_crop", "do_rescale", "do_normalize"), True),
        "size": size,
        "crop_size": {"height": resize.size, "width": resize.size},
        "resample": next(number for number, name in _FILTERS.items() if name == resize.interpolation),
        "rescale_factor": 1 / 255,
        "image_mean": [*mean],
        "image_std": [*std],
    }


def load_locally(load: Callable[[], Any], kind: str, place: Path) -> Any:
    """What a function of transformers returns, its errors in one line.

    Raises:
        InputError: If it fails.
    """
    try:
        return load()
    except Exception as error:  # OSError, ValueError, KeyError, TypeError and those of the hub
        line = shown((str(error).strip() or type(error).__name__).splitlines()[0], 160).rstrip(". ")
        raise InputError(
            f"Expected {kind} that transformers reads without code of others, got {place} ({line}). Save it again "
            "with the installed version."
        ) from error
