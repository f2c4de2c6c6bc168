"""Image encoders by name.

Letters: B rows of a batch, H height, W width, D width of the features.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple, cast

from lightly.models import ResNetGenerator
from torch import nn
from torchvision.models import VisionTransformer, vgg16_bn

from unlearning_pl.errors import InputError
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.types import Pixels


class Backbone(NamedTuple):
    """An image encoder.

    Attributes:
        net: Images ``(B, 3, H, W)`` to features ``(B, D)``.
        feature_dim: D.
        pixels: Channel statistics that normalise its images; None for those of the data source.
    """

    net: nn.Module
    feature_dim: int
    pixels: Pixels | None = None


def _resnet(name: str, width: float = 1.0) -> tuple[nn.Module, int]:
    net = ResNetGenerator(name, width=width)
    stages = [net.conv1, net.bn1, nn.ReLU(), net.layer1, net.layer2, net.layer3, net.layer4]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten()), net.linear.in_features


def _vgg16_bn() -> tuple[nn.Module, int]:
    return nn.Sequential(vgg16_bn(weights=None).features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512


def _vit_tiny() -> tuple[nn.Module, int]:
    vit = VisionTransformer(
        image_size=32, patch_size=4, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=1
    )
    vit.heads = nn.Identity()
    return vit, 192


def _timm(name: str) -> tuple[nn.Module, int]:
    if find_spec("timm") is None:
        raise InputError(
            f"Expected one of the backbones {', '.join(BUILDERS)}, got {name!r}. "
            "Choose one of them, or install timm (pip install 'unlearning-pl[timm]') to use its models by name."
        )
    import timm

    if name not in timm.list_models():
        raise InputError(f"Expected one of {', '.join(BUILDERS)} or a timm model, got {name!r}. Correct the name.")
    net = timm.create_model(name, pretrained=False, num_classes=0)
    return net, cast(int, net.num_features)


BUILDERS: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "resnet9_slim": partial(_resnet, "resnet-9", width=0.25),
    "resnet18": partial(_resnet, "resnet-18"),
    "resnet34": partial(_resnet, "resnet-34"),
    "resnet50": partial(_resnet, "resnet-50"),
    "vgg16_bn": _vgg16_bn,
    "vit_tiny": _vit_tiny,
}


def build_backbone(name: str) -> Backbone:
    """Build an image encoder with random weights.

    The ResNets have the 3x3 stem without pooling that is usual for 32x32 images (SimCLR, arXiv 2002.05709,
    appendix B.9); ``resnet9_slim`` is a quarter as wide and trains on a CPU. ``vgg16_bn`` needs images of at least
    32 pixels, ``vit_tiny`` (patches of 4, 12 layers, 3 heads, width 192) exactly 32.

    Models of other libraries get their images normalised as the library does: ``torchvision/resnet50``,
    ``timm/vit_small_patch16_224.augreg_in21k``, ``transformers/FOLDER`` and others, see
    :func:`~unlearning_pl.learners.library_models.library_model`. A timm name without the prefix and without a tag is
    normalised by the data source.

    Args:
        name: ``resnet9_slim``, ``resnet18``, ``resnet34``, ``resnet50``, ``vgg16_bn``, ``vit_tiny``, a model of another
            library, or any timm model when timm is installed.

    Raises:
        InputError: If no encoder has that name.

    Example:
        >>> build_backbone("resnet9_slim")[1]
        128
    """
    if name in BUILDERS:
        return Backbone(*BUILDERS[name]())
    model = library_model(name)
    if model is None:
        return Backbone(*_timm(name))
    return Backbone(*model.encoder(), None if model.preprocessing is None else model.preprocessing.pixels)
