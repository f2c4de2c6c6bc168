"""Which layer synchronises batch statistics on a GPU: torch's, unless a method takes gradients of gradients."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from unlearning_pl.distributed.batch_norm import DifferentiableSyncBatchNorm, SyncBatchNormPlugin
from unlearning_pl.methods import FineTune, GradientPenalty, HeldOutCalibration, Unlearner


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        (FineTune(), nn.SyncBatchNorm),
        (HeldOutCalibration(), nn.SyncBatchNorm),
        (GradientPenalty(), DifferentiableSyncBatchNorm),
    ],
)
def test_only_second_derivatives_need_a_layer_of_ours(method: Unlearner, layer: type[nn.Module]) -> None:
    model = nn.Sequential(nn.BatchNorm1d(2))
    model.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cuda")), callbacks=[method])
    assert type(SyncBatchNormPlugin().apply(model)[0]) is layer
