from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from unlearning_pl.learners.feature_memory import FeatureMemory, concat_views, features_of, remember_features


def test_views_of_a_joint_pass_are_recalled_by_their_place() -> None:
    memory = FeatureMemory(lambda x: 2 * x)
    views = tuple(torch.full((3, 2), float(number), requires_grad=True) for number in range(3))
    joined = memory(concat_views(views))
    for number, view in enumerate(views):
        assert torch.equal(memory.recall(view), joined[3 * number : 3 * number + 3])
        assert memory.recall(view.clone()) is None


def test_a_pass_without_a_gradient_is_not_recalled() -> None:
    memory, view = FeatureMemory(nn.Linear(2, 2)), torch.zeros(1, 2)
    with torch.no_grad():
        memory(view)
    assert memory.recall(view) is None
    assert memory(view) is memory.recall(view)


class WithSubmodule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(2, 2)


class WithMethod(nn.Module):
    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize("module", [WithSubmodule(), WithMethod(), SimpleNamespace(features=abs)])
def test_the_modules_own_function_returns_after_an_error(module: object) -> None:
    before, view = module.features, torch.ones(1, 2, requires_grad=True)
    with suppress(ZeroDivisionError), remember_features(module):
        first = module.features(view)
        assert features_of(module, view) is first
        with remember_features(module):  # a plug-in on another
            inner = module.features(view)
        assert module.features.recall(view) is inner
        raise ZeroDivisionError
    assert module.features == before
