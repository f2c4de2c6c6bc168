"""Models of other libraries by name: their evaluation transforms, their variants, and names that do not exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.transforms.v2.functional import pil_to_tensor

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.library_models import Preprocessing, library_model
from unlearning_pl.learners.open_clip_towers import tags_apart, tower_preprocessing
from unlearning_pl.training.weights import load_weights

PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (301, 240, 3), dtype=np.uint8))


def normalised(images: Preprocessing | None) -> Tensor:
    assert images is not None
    pixels = pil_to_tensor(images.resize(PHOTOGRAPH)).float() / 255
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in images.pixels)
    return (pixels - mean) / std


def preprocessing(name: str) -> Preprocessing | None:
    model = library_model(name)
    assert model is not None
    return model.preprocessing


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "inception_v3", "swin_v2_b"])
def test_images_are_those_of_torchvision(name: str) -> None:
    transform: Callable[[Any], Tensor] = get_model_weights(name).DEFAULT.transforms()
    torch.testing.assert_close(normalised(preprocessing(f"torchvision/{name}")), transform(PHOTOGRAPH))


TIMM = [
    "resnet18.tv_in1k",  # bilinear
    "resnet18.a1_in1k",  # bicubic, another fraction
    "vit_tiny_patch16_224.augreg_in21k",  # another mean
    "coat_lite_medium_384.in1k",  # squashed
]


@pytest.mark.parametrize("name", TIMM)
def test_images_are_those_of_timm(name: str) -> None:
    config: Any = timm.get_pretrained_cfg(name)
    transform = timm.data.create_transform(**timm.data.resolve_data_config(config.to_dict()))
    torch.testing.assert_close(normalised(preprocessing(f"timm/{name}")), transform(PHOTOGRAPH))


@pytest.mark.parametrize(
    ("name", "tag"),
    [("ViT-B-32", "laion2b_s34b_b79k"), ("MobileCLIP-S1", "datacompdr"), ("ViT-H-14-378-quickgelu", "dfn5b")],
)
def test_images_are_those_of_open_clip(name: str, tag: str) -> None:
    images = tower_preprocessing(name)
    assert images is not None
    config = get_pretrained_cfg(name, tag)
    values = {key: config[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    transform = image_transform_v2(PreprocessCfg(size=images.resize.size, **values), is_train=False)
    torch.testing.assert_close(normalised(images), transform(PHOTOGRAPH))
    assert tags_apart(name) == []


def test_published_weights_that_differ_get_the_images_of_openai() -> None:
    images = tower_preprocessing("ViT-L-14", image_size=28)
    assert images is not None
    assert images.resize.size == 28
    assert images.pixels.mean != (0.5, 0.5, 0.5)
    assert tags_apart("ViT-L-14") == ["laion2b_s32b_b82k"]
    assert tower_preprocessing("RN-slim") is None


@pytest.mark.parametrize(("library", "padding"), [("solo-learn", 2), ("cifar", 1)])
def test_resnets_for_small_images(library: str, padding: int) -> None:
    torch.manual_seed(0)
    net: Any = get_model("resnet18", weights=None)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, padding, bias=False), nn.Identity()
    net.fc = nn.Identity()
    model = library_model(f"{library}/resnet18")
    assert model is not None
    encoder, width = model.encoder()
    encoder.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(x), net.eval()(x))
    assert width == 512


def test_inception_with_published_weights_is_timms(tmp_path: Path) -> None:
    """The input of a model is rescaled that torchvision built with published weights."""
    torch.manual_seed(0)
    net = get_model("inception_v3", weights=None, num_classes=3, init_weights=False, transform_input=True).eval()
    torch.save(net.state_dict(), tmp_path / "w.pt")
    learner = Classifier("timm/inception_v3.tv_in1k", num_classes=3).eval()
    load_weights(learner, tmp_path / "w.pt")
    theirs = get_model_weights("inception_v3").DEFAULT.transforms()(PHOTOGRAPH)[None, :, :96, :96]
    ours = normalised(preprocessing("timm/inception_v3.tv_in1k"))[None, :, :96, :96]
    with torch.no_grad():
        torch.testing.assert_close(learner.class_scores(ours), net(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18.nope", "Expected a tag of timm's resnet18, got 'resnet18.nope'. Give one of resnet18."),
        ("timm/resnet1888", "Expected a model of timm, got 'resnet1888'. Did you mean resnet18"),
        ("timm/test_vit.", "Expected a tag of timm's test_vit"),
        ("torchvision/resnet1888", "Expected a classifier of torchvision, got 'resnet1888'. Did you mean resnet18"),
        ("torchvision/maxvit_t", "ends in a linear layer with a bias, got torchvision/maxvit_t, which ends in Linear"),
        ("torchvision/squeezenet1_0", "ends in a linear layer with a bias"),
        ("timm/levit_128", "Expected a model with one classifier"),
        ("timm/vit_base_patch16_sapiens2", "squashed to a square, got vit_base_patch16_sapiens2 with"),
        ("timm/deepseek_vit_412m", "squashed to a square, got deepseek_vit_412m with border"),
        ("solo-learn/resnet1", "Expected resnet18 or resnet34 or resnet50 of solo-learn"),
        ("cifar/resnet1", "Expected resnet18 or resnet34 or resnet50 of cifar"),
        ("lightly/resnet1", "Expected resnet18 or resnet34 or resnet50 of lightly"),
    ],
)
def test_names_that_do_not_exist(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught, torch.device("meta"):
        build_backbone(name)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "our/own", "torchvision/", "timm/", ""])
def test_names_of_no_library(name: str) -> None:
    assert library_model(name) is None
