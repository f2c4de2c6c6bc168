"""Image and text towers of open_clip models, by name.

Letters: B rows of a batch, H height, W width, L tokens of a caption, E width of the embeddings.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from unlearning_pl.errors import InputError, require, suggest_names
from unlearning_pl.images.resizing import Interpolation, Resize
from unlearning_pl.learners.library_models import Preprocessing
from unlearning_pl.types import Pixels

SLIM = {path.stem: path for path in sorted((Path(__file__).parent / "slim_towers").glob("*.json"))}


class Towers(NamedTuple):
    """The image tower and the text tower of an image-text model.

    Attributes:
        image: Images ``(B, 3, H, W)`` to embeddings ``(B, E)``.
        text: Tokens ``(B, L)`` to embeddings ``(B, E)``.
        width: E.
        context_length: L.
        pixels: Channel statistics that normalise images; None for a model without published weights.
    """

    image: nn.Module
    text: nn.Module
    width: int
    context_length: int
    pixels: Pixels | None


def build_towers(name: str, image_size: int | None = None) -> Towers:
    """Build an image tower and a text tower with random weights.

    ``RN-slim`` and ``ViT-slim`` are defined by this package, in open_clip's own format: a residual network with one
    block per stage for images of 64 pixels (any multiple of 32), and a transformer of 4 layers for 32 pixels; both
    train on a CPU.

    Args:
        name: ``RN-slim``, ``ViT-slim`` or one of open_clip's models, such as ``ViT-B-32``.
        image_size: Height and width of the images; the model's own size if None.

    Raises:
        InputError: If open_clip is not installed, the size does not fit the model, or open_clip has no model of that
            name with two towers and CLIP's own tokens.

    Example:
        >>> build_towers("RN-slim").context_length
        24
    """
    settings = tower_settings(name)
    from open_clip.model import CustomTextCLIP

    vision = {**settings["vision_cfg"], "timm_model_pretrained": False}
    vision["image_size"] = vision.get("image_size", 224) if image_size is None else image_size
    text, options = settings["text_cfg"], {"quick_gelu": settings.get("quick_gelu", False)}
    step = 32 if isinstance(vision.get("layers"), list) else vision.get("patch_size") or 1
    require(
        vision["image_size"] >= step and vision["image_size"] % step == 0,
        f"Expected an image_size that {name} accepts, got {image_size}. Choose a multiple of {step}.",
    )
    model = CustomTextCLIP(settings["embed_dim"], vision, text, **options)
    images = tower_preprocessing(name)
    pixels = None if images is None else images.pixels
    return Towers(model.visual, model.text, settings["embed_dim"], text.get("context_length", 77), pixels)


def tower_preprocessing(name: str, image_size: int | None = None) -> Preprocessing | None:
    """Evaluation transform of a model: that of the weights that open_clip publishes for it, if all have the same.

    Without published weights, or if they differ, it is OpenAI's: bicubic, the centre, and the statistics of CLIP.

    Args:
        name: Name of the model.
        image_size: Height and width of the images; the model's own size if None.

    Returns:
        The transform; None for ``RN-slim`` and ``ViT-slim``, which have no published weights.

    Raises:
        InputError: As for :func:`tower_settings`.

    Example:
        >>> str(tower_preprocessing("ViT-B-32").resize), tower_preprocessing("MobileCLIP-S1").pixels.std
        ('shorter side 224, bicubic, centre 224', (1.0, 1.0, 1.0))
    """
    size = image_size or tower_settings(name)["vision_cfg"].get("image_size", 224)
    if name in SLIM:
        return None
    published = {*_published(name).values()}
    pixels, interpolation, mode = published.pop() if len(published) == 1 else _openai()
    return Preprocessing(Resize(size, size, interpolation, mode == "squash"), pixels)


def tags_apart(name: str) -> list[str]:
    """Tags of published weights of a model whose images are not resized or normalised as its others are.

    Example:
        >>> tags_apart("ViT-L-14"), tags_apart("MobileCLIP-S1")
        (['laion2b_s32b_b82k'], [])
    """
    published = {} if name in SLIM else _published(name)
    return [tag for tag, images in published.items() if images != _openai()] if len({*published.values()}) > 1 else []


def _openai() -> tuple[Pixels, Interpolation, str]:
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    return Pixels(OPENAI_DATASET_MEAN, OPENAI_DATASET_STD), "bicubic", "shortest"


def _published(name: str) -> dict[str, tuple[Pixels, Interpolation, str]]:
    """Normalisation, interpolation and mode of resizing by the tag of a model's published weights."""
    from open_clip import pretrained

    tags = pretrained.list_pretrained_tags_by_model(name)
    return {tag: _images_of(pretrained.get_pretrained_cfg(name, tag)) for tag in tags}


def _images_of(config: Mapping[str, Any]) -> tuple[Pixels, Interpolation, str]:
    (mean, std), interpolation, mode = _openai()
    pixels = Pixels(tuple(config.get("mean") or mean), tuple(config.get("std") or std))
    return pixels, config.get("interpolation") or interpolation, config.get("resize_mode") or mode


def tower_settings(name: str) -> Mapping[str, Any]:
    """Settings of a model, in open_clip's format.

    Raises:
        InputError: If open_clip is not installed, or has no two-tower model of that name with CLIP's own tokens.

    Example:
        >>> tower_settings("ViT-slim")["embed_dim"]
        128
    """
    if find_spec("open_clip") is None:
        raise InputError(f"Expected open_clip for {name}, got none installed. Run pip install 'unlearning-pl[clip]'.")
    import open_clip

    known = [*SLIM, *open_clip.list_models()]
    remedy = suggest_names(name, known, "Correct it.")
    require(name in known, f"Expected {', '.join(SLIM)} or one of open_clip's models, got {name!r}. {remedy}")
    is_slim = name in SLIM
    settings: Mapping[str, Any] = json.loads(SLIM[name].read_text()) if is_slim else open_clip.get_model_config(name)
    foreign_keys = {"hf_model_name", "hf_tokenizer_name"} & set(settings["text_cfg"])
    require(
        not foreign_keys and "multimodal_cfg" not in settings,
        f"Expected a model with CLIP's own tokens and two towers, got {name!r}. Choose another, such as ViT-B-32.",
    )
    return settings


def pretrained_path(model: str, tag: str) -> str | None:
    """Path of the weights that open_clip publishes under a tag, such as ``openai``; downloaded once.

    Args:
        model: Name of the model.
        tag: A name that may be a tag.

    Returns:
        The path; None if open_clip has no such tag.

    Raises:
        InputError: If the download fails, or the weights belong to a model with another activation or normalisation.

    Example:
        >>> pretrained_path("RN-slim", "openai")
    """
    from open_clip import pretrained

    known = pretrained.get_pretrained_cfg(model, tag) if model not in SLIM else None
    if not known:
        return None
    _check_published(model, tag, known)
    try:
        return str(pretrained.download_pretrained(known))
    except Exception as error:  # network errors have many types
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"Expected the published weights {tag!r} of {model}, got an error while downloading them ({reason}). "
            "Give a file of these weights, or run with network access."
        ) from error


def _check_published(model: str, tag: str, known: Mapping[str, Any]) -> None:
    """Reject weights that load silently into a model with another activation or normalisation than in training.

    Raises:
        InputError: If activations or the normalisation of images differ.
    """
    require(
        not known.get("quick_gelu") or tower_settings(model).get("quick_gelu", False),
        f"Expected a model with QuickGELU, as the weights {tag!r} were trained with, got {model}. "
        f"Choose {model}-quickgelu.",
    )
    images, (pixels, _, _) = tower_preprocessing(model), _images_of(known)
    require(
        images is None or pixels == images.pixels,
        f"Expected weights for images normalised as those of {model}, with mean {images and images.pixels.mean}, got "
        f"{tag!r} with mean {pixels.mean}. Choose others.",
    )
