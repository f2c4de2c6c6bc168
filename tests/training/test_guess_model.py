"""The model of a file is found by names and shapes alone, for every code base that has a map."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from learners.foreign_models import FOREIGN, Foreign, lightly_byol, timm_convnext
from torch import nn
from torchvision.models import densenet121, googlenet, inception_v3, resnet18

from unlearning_pl.errors import InputError
from unlearning_pl.learners import CLIP, Classifier
from unlearning_pl.learners.key_maps import key_maps_of
from unlearning_pl.training.guess_model import guess_model
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.model_files import guess_file
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.training.weights import check_weights

KNOWN = [make for make in FOREIGN if make is not timm_convnext]


@pytest.mark.parametrize("make", KNOWN, ids=lambda make: make.__name__)
def test_the_guessed_learner_takes_every_tensor(make: Callable[[], Foreign]) -> None:
    state = find_state_dict(make().state, Path("w.pt"))
    guessed = guess_model(state, "w.pt")
    learner = guessed.learner(**guessed.arguments)
    matched = match_weights(learner, state, Path("w.pt"))
    check_weights(learner, matched.state, Path("w.pt"), matched.key_map)
    assert type(learner) is type(make().learner())


def test_other_models_of_torchvision() -> None:
    guessed = guess_model({f"module.{n}": v for n, v in densenet121(num_classes=3).state_dict().items()}, "w.pt")
    assert str(guessed) == "Classifier (backbone torchvision/densenet121, num_classes 3)"


def clip_state(name: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(CLIP(name).state_dict())


def test_models_with_another_activation_have_to_be_named() -> None:
    state = clip_state("RN50")
    with pytest.raises(InputError, match=r"with those of RN50 and RN50-quickgelu, which .*`architecture=RN50`\."):
        guess_model(state, "w.pt")
    for name in ("RN50", "RN50-quickgelu"):
        assert guess_model(state, "w.pt", name).arguments == {"model": name}
    openai = state | {"input_resolution": torch.tensor(224)}
    assert guess_model(openai, "w.pt").arguments == {"model": "RN50-quickgelu"}
    with pytest.raises(InputError, match="Expected the weights of ViT-B-32"):
        guess_model(state, "w.pt", "ViT-B-32")
    with pytest.raises(InputError, match="Expected the weights of ViT-B-32"):
        guess_model(resnet18(num_classes=3).state_dict(), "w.pt", "ViT-B-32")


def test_a_clip_without_open_clip_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    state = clip_state("ViT-slim")
    assert guess_model(state, "w.pt").arguments == {"model": "ViT-slim"}
    monkeypatch.setattr("unlearning_pl.training.guess_clip.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Expected open_clip for .*unlearning-pl\[clip\]"):
        guess_model(state, "w.pt")


def small_resnet() -> dict[str, torch.Tensor]:
    net = resnet18(num_classes=3)
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    return dict(net.state_dict())


def test_a_padding_is_not_guessed() -> None:
    with pytest.raises(InputError, match=r"the padding of the first convolution, 2 in solo-learn/resnet18 and 1 in"):
        guess_model(small_resnet(), "w.pt")
    named = guess_model(small_resnet(), "w.pt", "cifar/resnet18")
    assert named.arguments == {"backbone": "cifar/resnet18", "num_classes": 3}
    other = {name.replace("fc.", "projection_head.layers.0."): value for name, value in small_resnet().items()}
    lightly = {n if n.startswith("projection") else f"backbone.{n}": value for n, value in other.items()}
    with pytest.raises(InputError, match=r'`model=SimCLR` .*`architecture="solo-learn/resnet18"`'):
        guess_model(lightly, "w.pt")


@pytest.mark.parametrize("make", [googlenet, inception_v3])
def test_a_model_that_may_rescale_its_input_has_to_be_named(make: Callable[..., nn.Module]) -> None:
    with torch.device("meta"):
        state = make(num_classes=3, init_weights=False).state_dict()
    name = f"torchvision/{make.__name__}"
    with pytest.raises(InputError, match="do not tell whether the input is rescaled"):
        guess_model(state, "w.pt")
    guessed = guess_model(state, "w.pt", name)
    with torch.device("meta"):
        learner = guessed.learner(**guessed.arguments)
    left_out = {n for n in state if n.startswith(("aux", "AuxLogits"))}
    key_map = key_maps_of(learner)[-1]
    assert left_out
    assert {n for n in state if key_map.rename(n) is None} == left_out
    assert {key_map.rename(n) for n in state} - {None} == learner.state_dict().keys()


def test_a_head_of_other_names_is_unknown() -> None:
    state = find_state_dict(lightly_byol().state, Path("w.pt"))
    other = {name.replace("prediction_head.layers.0", "prediction_head.first"): value for name, value in state.items()}
    with pytest.raises(InputError, match="Name the model"):
        guess_model(other, "w.pt")


@pytest.mark.parametrize("prefix", ["net.", "network.", "model.module.", "_orig_mod."])
def test_prefixes(prefix: str) -> None:
    state = {prefix + name: value for name, value in resnet18(num_classes=3).state_dict().items()}
    assert guess_model(state, "w.pt").arguments == {"backbone": "torchvision/resnet18", "num_classes": 3}


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_an_encoder_without_a_head_is_named(prefix: str) -> None:
    state = {prefix + n: v for n, v in resnet18(num_classes=3).state_dict().items() if not n.startswith("fc.")}
    with pytest.raises(InputError, match=r"with those of the encoder torchvision/resnet18 alone. Save the model with"):
        guess_model(state, "w.pt")


@pytest.mark.parametrize(("content", "message"), [({1: torch.ones(1)}, "the key 1"), ({"epoch": 3}, "int as epoch")])
def test_a_file_of_more_than_tensors_by_name(content: dict[Any, Any], message: str, tmp_path: Path) -> None:
    torch.save({"state_dict": resnet18(num_classes=3).state_dict() | content}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=message):
        guess_file(tmp_path / "w.pt")


def test_own_checkpoints() -> None:
    guessed = guess_model(Classifier("resnet9_slim", num_classes=4).state_dict(), "w.pt")
    assert guessed.arguments == {"backbone": "resnet9_slim", "num_classes": 4}


@pytest.mark.parametrize("state", [{}, nn.Linear(2, 2).state_dict(), timm_convnext().state])
def test_an_unknown_model_has_to_be_named(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match=r"w\.pt with \d+ others.*Name the model"):
        guess_model(state, "w.pt")
