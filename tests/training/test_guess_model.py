"""The model of a file is found by names and shapes alone, for every code base that has a map."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from learners.foreign_models import FOREIGN, Foreign, timm_convnext
from torch import nn
from torchvision.models import densenet121

from unlearning_pl.errors import InputError
from unlearning_pl.learners import CLIP, Classifier
from unlearning_pl.training.guess_model import guess_model
from unlearning_pl.training.match_weights import match_weights
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


def test_other_models_of_torchvision_and_clip() -> None:
    guessed = guess_model({f"module.{n}": v for n, v in densenet121(num_classes=3).state_dict().items()}, "w.pt")
    assert str(guessed) == "Classifier (backbone torchvision/densenet121, num_classes 3)"
    with torch.device("meta"):
        state = CLIP("RN50").state_dict()
    assert guess_model(state, "w.pt").arguments == {"model": "RN50"}


def test_own_checkpoints() -> None:
    guessed = guess_model(Classifier("resnet9_slim", num_classes=4).state_dict(), "w.pt")
    assert guessed.arguments == {"backbone": "resnet9_slim", "num_classes": 4}


@pytest.mark.parametrize("state", [{}, nn.Linear(2, 2).state_dict(), timm_convnext().state])
def test_an_unknown_model_has_to_be_named(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match=r"w\.pt with \d+ others.*Name the model"):
        guess_model(state, "w.pt")
