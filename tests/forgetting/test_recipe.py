"""The default settings follow the kind and the size of the network."""

import pytest

from unlearning_pl.forgetting.recipe import default_recipe
from unlearning_pl.learners import CLIP, Classifier, Learner, SimCLR


def option(learner: Learner, name: str, side: int = 32) -> str:
    recipe = default_recipe(learner, side)
    words = [*recipe.data, *recipe.unlearn]
    return words[words.index(f"--{name}") + 1]


@pytest.mark.parametrize(
    ("backbone", "rate"), [("resnet9_slim", "0.02"), ("torchvision/mobilenet_v3_large", "0.01"), ("vit_tiny", "0.003")]
)
def test_the_rate_follows_size_and_norm(backbone: str, rate: str) -> None:
    assert option(Classifier(backbone, 3), "optimizer.lr") == rate


def test_the_method_follows_the_learner() -> None:
    assert option(Classifier("resnet9_slim", 3), "method") == "NegGradPlus"
    for learner in (SimCLR("resnet9_slim"), CLIP("RN-slim")):
        assert option(learner, "method") == "AlignmentCalibration"
    assert option(CLIP("RN-slim"), "optimizer") == "AdamW"


def test_views_follow_the_images() -> None:
    assert option(Classifier("resnet9_slim", 3), "data.views.padding", 64) == "8"
    assert option(SimCLR("resnet9_slim"), "data.views.blur", 224) == "true"
    assert "--data.views.blur" not in default_recipe(SimCLR("resnet9_slim"), 32).data
