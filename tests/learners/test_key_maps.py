"""A file of another code base becomes a learner whose vectors are those of its own code, and loses no tensor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from learners.foreign_models import FOREIGN, SLOW, Foreign, in_learner
from torch import Tensor, nn

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier, Learner, MoCo, SimCLR
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.training.weights import load_weights

PATH = Path("w.pt")


def modules_of(function: Callable[[Tensor], Tensor]) -> list[nn.Module]:
    """Modules that a function of a foreign model calls."""
    if isinstance(function, nn.Module):
        return [function]
    cells: Any = getattr(function, "__closure__", None) or ()
    return [cell.cell_contents for cell in cells if isinstance(cell.cell_contents, nn.Module)]


@pytest.fixture(
    params=[*FOREIGN, *(pytest.param(make, marks=pytest.mark.slow) for make in SLOW)], ids=lambda make: make.__name__
)
def foreign(request: pytest.FixtureRequest) -> Foreign:
    torch.manual_seed(0)
    made: Foreign = request.param()
    for module in {*modules_of(made.features), *modules_of(made.embed)}:
        module.eval()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
                nn.init.uniform_(part.running_var, 0.8, 1.2)  # type: ignore[arg-type]
    return made


@torch.no_grad()
def test_an_imported_learner_gives_the_vectors_of_the_other_code(foreign: Foreign, tmp_path: Path) -> None:
    torch.save(foreign.state, tmp_path / "w.pt")
    learner = foreign.learner().eval()
    load_weights(learner, tmp_path / "w.pt")
    x = torch.randn(2, 3, foreign.size, foreign.size)
    torch.testing.assert_close(learner.features(x), foreign.features(x), rtol=1e-5, atol=1e-5)
    result = learner.class_scores(x) if isinstance(learner, Classifier) else learner.embed(x)
    torch.testing.assert_close(result, foreign.embed(x), rtol=1e-5, atol=1e-5)
    check_each_tensor_is_taken_or_named(learner, find_state_dict(foreign.state, PATH))


def check_each_tensor_is_taken_or_named(learner: Learner, state: dict[str, Tensor]) -> None:
    matched = match_weights(learner, state, PATH)
    assert matched.state.keys() == learner.state_dict().keys()
    assert {*matched.origin.values()} | {*matched.left_out} == state.keys()
    assert {*matched.origin.values()} & {*matched.left_out} == set()
    assert {*matched.added} <= {*learner.optional_weights}
    for name, origin in matched.origin.items():
        expected = in_learner(matched.key_map, name, state[origin], matched.state[name])
        assert torch.equal(matched.state[name], expected)


def test_own_checkpoints_keep_their_names() -> None:
    for learner in (SimCLR("torchvision/resnet18"), MoCo("lightly/resnet18"), Classifier("timm/resnet18.tv_in1k")):
        matched = match_weights(learner, learner.state_dict(), PATH)
        assert matched.key_map.name == "unlearning-pl"
        assert matched.origin == {name: name for name in learner.state_dict()}


def test_another_number_of_classes_is_said(tmp_path: Path) -> None:
    torch.save(Classifier("torchvision/resnet18", num_classes=7).state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"7 classes: give `num_classes=7`"):
        load_weights(Classifier("torchvision/resnet18", num_classes=5), tmp_path / "w.pt")


def test_a_near_miss_names_the_map_and_what_is_left_over(tmp_path: Path) -> None:
    from learners.foreign_models import moco_v2

    torch.save(moco_v2().state, tmp_path / "w.pt")
    learner = MoCo("torchvision/resnet18", projection_dim=64, queue_size=128, projection_head="linear")
    with pytest.raises(InputError, match=r"names of MoCo.*4 are superfluous.*Give model\.projection_head"):
        load_weights(learner, tmp_path / "w.pt")
