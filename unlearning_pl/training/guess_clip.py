"""Guess which model of open_clip has the tensors of a file."""

from collections.abc import Sequence
from importlib.util import find_spec

import torch

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import CLIP
from unlearning_pl.learners.key_maps import KEY_MAPS
from unlearning_pl.learners.open_clip_towers import SLIM, tower_settings
from unlearning_pl.training.model_shapes import Shapes, equal_shapes, renamed_shapes, shapes_of

_OPENAI = {"input_resolution", "context_length", "vocab_size"}
"""Names in the files that OpenAI published, whose models have QuickGELU."""


def clip_models() -> list[str]:
    """Names of the models that ``CLIP`` takes; none without open_clip.

    Example:
        >>> "ViT-B-32" in clip_models()
        True
    """
    if find_spec("open_clip") is None:
        return []
    import open_clip

    return [*SLIM, *open_clip.list_models()]


def guess_clip(shapes: Shapes, path: str, architecture: str | None = None) -> str | None:
    """Guess the name of a model with an image tower and a text tower.

    Args:
        shapes: Shapes by the names in the file.
        path: The file, for messages.
        architecture: Name of the model, if it is known.

    Returns:
        The name; None if the file is not of such a model, or of none that is known.

    Raises:
        InputError: If several models have these tensors and compute something else from them, or open_clip is not
            installed.

    Example:
        >>> guess_clip({"fc.weight": (2, 2)}, "w.pt") is None
        True
    """
    renamed = renamed_shapes(KEY_MAPS["CLIP"][0], shapes)
    width = renamed.get("text_encoder.text_projection", ())
    if "text_encoder.token_embedding.weight" not in renamed or len(width) != 2:
        return None
    names = clip_models() if architecture is None else [architecture]
    require(
        bool(names),
        f"Expected open_clip for the image-text model {path}, got none installed. Run pip install "
        "'unlearning-pl[clip]'.",
    )
    given = {name: shape or (1,) for name, shape in renamed.items()}
    matches = [name for name in names if _has_widths(name, width) and equal_shapes(given, _clip_shapes(name))]
    if architecture is None and _OPENAI & shapes.keys():
        matches = [name for name in matches if tower_settings(name).get("quick_gelu", False)]
    first = next(iter(matches), None)
    require(
        len(matches) < 2,
        f"Expected a model that is known by its tensors, got {path} with those of {' and '.join(matches)}, which "
        f"compute something else from them. Name it, for instance --model CLIP --model.model {first}, or in commands "
        f"that have no such options --architecture {first}.",
    )
    return first


def _has_widths(name: str, width: Sequence[int]) -> bool:
    """Whether a model has a text tower of this width; it is faster than to build it."""
    try:
        settings = tower_settings(name)
    except InputError:  # of other tokens
        return False
    return (settings["text_cfg"].get("width"), settings["embed_dim"]) == tuple(width)


def _clip_shapes(name: str) -> Shapes:
    try:
        with torch.device("meta"):
            return shapes_of(CLIP(name))
    except (InputError, RuntimeError, NotImplementedError, AssertionError):
        return {}  # with code that needs memory
