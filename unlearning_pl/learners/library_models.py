"""Models of other libraries by name: their own constructors, with the linear classifier taken off.

Letters: B rows of a batch, H height, W width, D width of the features, K classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from math import floor
from typing import Any, NamedTuple, cast

import torch
from lightly.models import ResNetGenerator
from torch import nn
from torchvision import models

from unlearning_pl.errors import InputError, require, suggest_names
from unlearning_pl.images.resizing import Interpolation, Resize
from unlearning_pl.types import Pixels

IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Preprocessing(NamedTuple):
    """Evaluation transform of a model.

    Attributes:
        resize: Size of the images, and how they get it.
        pixels: Channel statistics that normalise them.
    """

    resize: Resize
    pixels: Pixels


@dataclass(frozen=True)
class LibraryModel:
    """A model of a library, as the library builds it.

    Args:
        name: Name with the library before it, such as ``torchvision/resnet18``.
        build: Builds the model with K classes and random weights.
        classifier: Name of the linear layer that maps features to classes; None if the model has none.
        preprocessing: Its evaluation transform; None if it has none of its own.
        feature_dim: D of a model without a classifier.
        training_only: Patterns of the names of tensors that the library's model has in training alone.
        saved_names: Names of its weights in files of the library, with those in the model, where they differ.
    """

    name: str
    build: Callable[[int], nn.Module]
    classifier: str | None
    preprocessing: Preprocessing | None
    feature_dim: int = 0
    training_only: tuple[str, ...] = ()
    saved_names: Mapping[str, str] = field(default_factory=dict)

    def encoder(self) -> tuple[nn.Module, int]:
        """The model without its linear classifier, images ``(B, 3, H, W)`` to features ``(B, D)``, and D."""
        model = self.build(2)
        if self.classifier is None:
            return model, self.feature_dim
        linear = model.get_submodule(self.classifier)
        require(
            isinstance(linear, nn.Linear) and linear.bias is not None,
            f"Expected a model that ends in a linear layer with a bias, got {self.name}, which ends in "
            f"{str(linear).splitlines()[0]}. Choose another backbone.",
        )
        model.set_submodule(self.classifier, nn.Identity())
        return model, cast(nn.Linear, linear).in_features


def library_model(name: str) -> LibraryModel | None:
    """The model of that name; None if no library is named.

    Names are ``torchvision/NAME``, ``timm/NAME`` (with or without the tag of its weights; the prefix may be left out
    of a name with a tag), and the variants of ResNets for images of 32 pixels that others train, with 18, 34 or 50
    layers: torchvision's with a 3x3 convolution first and no pooling after it, ``solo-learn/resnet18`` with padding 2
    and ``cifar/resnet18`` with padding 1, and ``lightly/resnet18`` (lightly's generator in a ``Sequential`` without the
    ReLU after the first norm, as in the authors' code of alignment calibration).
    ``transformers/FOLDER`` is the model that ``save_pretrained`` of transformers wrote there, see
    :func:`~unlearning_pl.learners.transformers_models.transformers_model`.

    Raises:
        InputError: If the library has no such model, or is not installed.

    Example:
        >>> library_model("torchvision/resnet18").classifier, library_model("resnet18")
        ('fc', None)
    """
    library, _, model = name.partition("/")
    if library in _LIBRARIES and model:
        return _LIBRARIES[library](model)
    if "/" not in name and "." in name:
        return _timm(name)
    return None


def is_encoder(name: str) -> bool:
    """Whether a backbone of that name is a model of a library that has no classifier.

    Example:
        >>> is_encoder("torchvision/resnet18"), is_encoder("lightly/resnet18")
        (False, True)
    """
    library = library_model(name)
    return library is not None and library.classifier is None


def _torchvision(name: str) -> LibraryModel:
    known = models.list_models(module=models)
    remedy = suggest_names(name, known, "Correct the name.")
    require(name in known, f"Expected a classifier of torchvision, got {name!r}. {remedy}")
    transform: Any = models.get_model_weights(name).DEFAULT.transforms()
    (size,), (shorter_side,) = transform.crop_size, transform.resize_size
    resize = Resize(size, shorter_side, _interpolation(transform.interpolation.value, name))
    auxiliary = _AUXILIARY.get(name, ())
    options = {"aux_logits": False, "init_weights": True} if auxiliary else {}

    def build(classes: int) -> nn.Module:
        net: nn.Module = models.get_model(name, weights=None, num_classes=classes, **options)
        return net

    pixels = Pixels(tuple(transform.mean), tuple(transform.std))
    preprocessing = Preprocessing(resize, pixels)
    return LibraryModel(f"torchvision/{name}", build, _last_linear(name), preprocessing, training_only=auxiliary)


def _last_linear(name: str) -> str:
    """Name of the classifier of a model of torchvision."""
    places = {"fc": "resnet resnext wide_resnet regnet shufflenet googlenet inception", "heads.head": "vit_"}
    places |= {"classifier": "densenet", "head": "swin", "classifier.2": "convnext", "classifier.5": "maxvit"}
    places |= {"classifier.6": "vgg alexnet", "classifier.3": "mobilenet_v3"}
    starts = {start: place for place, starts in places.items() for start in starts.split()}
    return next((place for start, place in starts.items() if name.startswith(start)), "classifier.1")


def _timm(name: str) -> LibraryModel:
    if find_spec("timm") is None:
        raise InputError(
            f"Expected timm for the backbone {name!r}, got none installed. Run pip install 'unlearning-pl[timm]'."
        )
    import timm

    _require_timm_name(name)
    settings: Any = timm.get_pretrained_cfg(name)
    require(
        settings.classifier is None or isinstance(settings.classifier, str),
        f"Expected a model with one classifier, got {name!r} with {settings.classifier}. Choose another backbone.",
    )

    def build(classes: int) -> nn.Module:
        classes = 0 if settings.classifier is None else classes
        net: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
        return net

    width = 0 if settings.classifier is not None else _on_meta(build).num_features
    images, auxiliary = _timm_preprocessing(settings, name), _AUXILIARY.get(name.partition(".")[0], ())
    return LibraryModel(f"timm/{name}", build, settings.classifier, images, width, auxiliary)


def _require_timm_name(name: str) -> None:
    import timm

    base = name.partition(".")[0]
    remedy = suggest_names(base, timm.list_models(), "Correct the name.")
    require(timm.is_model(name), f"Expected a model of timm, got {name!r}. {remedy}")
    tags = timm.list_pretrained(f"{base}.*")
    require(
        "." not in name or name in tags,
        f"Expected a tag of timm's {base}, got {name!r}. Give one of {', '.join(tags[:8]) or 'none: it has no tags'}.",
    )


def _timm_preprocessing(settings: Any, name: str) -> Preprocessing:
    height, width = settings.input_size[-2:]
    mode = settings.crop_mode
    require(
        mode in ("center", "squash") and height == width,
        f"Expected a model whose images are cropped or squashed to a square, got {name} with {mode} and "
        f"{height}x{width} pixels. Choose another backbone.",
    )
    interpolation = _interpolation(settings.interpolation, name)
    resize = Resize(width, floor(width / settings.crop_pct), interpolation, squash=mode == "squash")
    return Preprocessing(resize, Pixels(tuple(settings.mean), tuple(settings.std)))


def _small_images(library: str, padding: int, name: str) -> LibraryModel:
    """A ResNet of torchvision with a 3x3 convolution in place of the first one, and no pooling after it."""
    require(name in _RESNETS, f"Expected {' or '.join(_RESNETS)} of {library}, got {name!r}. Choose one of them.")

    def build(classes: int) -> nn.Module:
        net: Any = models.get_model(name, weights=None, num_classes=classes)
        net.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=padding, bias=False)
        net.maxpool = nn.Identity()
        return net  # type: ignore[no-any-return]

    return LibraryModel(f"{library}/{name}", build, "fc", None)


def _lightly(name: str) -> LibraryModel:
    require(name in _RESNETS, f"Expected {' or '.join(_RESNETS)} of lightly, got {name!r}. Choose one of them.")

    def build(classes: int) -> nn.Module:
        net = ResNetGenerator(name.replace("resnet", "resnet-"))
        return nn.Sequential(*[*net.children()][:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())

    return LibraryModel(f"lightly/{name}", build, None, None, 2048 if name == "resnet50" else 512)


def _transformers(folder: str) -> LibraryModel:
    from unlearning_pl.learners.transformers_models import transformers_model  # which needs the classes above

    return transformers_model(folder)


def _on_meta(build: Callable[[int], nn.Module]) -> Any:
    with torch.device("meta"):
        return build(0)


def _interpolation(value: str, name: str) -> Interpolation:
    require(
        value in ("bilinear", "bicubic", "nearest"),
        f"Expected a model whose images are resized bilinearly or bicubically, got {name} with {value}. "
        "Choose another.",
    )
    return cast(Interpolation, value)


_RESNETS = ("resnet18", "resnet34", "resnet50")
_AUXILIARY = {"googlenet": (r"aux[12]\..+",), "inception_v3": (r"AuxLogits\..+",)}
"""Classifiers that help a training of torchvision's models."""
_LIBRARIES: dict[str, Callable[[str], LibraryModel]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "solo-learn": partial(_small_images, "solo-learn", 2),
    "cifar": partial(_small_images, "cifar", 1),
    "lightly": _lightly,
    "transformers": _transformers,
}
