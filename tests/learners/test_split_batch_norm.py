"""Batch statistics by groups of rows, against lightly's layer and against an encoder that gets each group alone."""

import copy

import numpy as np
import pytest
import torch
from lightly.models.batchnorm import SplitBatchNorm as LightlySplitBatchNorm
from tiny import make_rows
from torch import Tensor, nn

from unlearning_pl.distributed.batch_norm import SyncBatchNormPlugin
from unlearning_pl.errors import InputError
from unlearning_pl.learners import MoCo, split_batch_norm
from unlearning_pl.learners.split_batch_norm import split_batch_norms


def split(layer: nn.Module, number: int) -> nn.Module:
    assert split_batch_norms(nn.Sequential(layer), number) == 1
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2)
        layer.bias.normal_()
    return layer


def test_multiples_of_the_groups_equal_lightlys_layer_in_training_and_evaluation() -> None:
    layer, other = split(nn.BatchNorm2d(3), 4), LightlySplitBatchNorm(3, 4)
    other.weight.data.copy_(layer.weight.data)
    other.bias.data.copy_(layer.bias.data)
    for _ in range(3):
        x = torch.randn(8, 3, 2, 2) * 3 + torch.arange(8.0).view(-1, 1, 1, 1)
        ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        (layer(ours) ** 3).sum().backward()
        (other(theirs) ** 3).sum().backward()
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)
    assert torch.allclose(layer.weight.grad, other.weight.grad, rtol=1e-5)
    layer.eval(), other.eval()
    assert torch.allclose(layer(x), other(x), atol=1e-6)


@pytest.mark.parametrize(("rows", "groups"), [(11, 4), (9, 4), (7, 3), (6, 3), (3, 1), (2, 1)])
def test_any_number_of_rows_equals_the_definition(rows: int, groups: int) -> None:
    layer, x = split(nn.BatchNorm1d(2), 4), torch.randn(rows, 2, dtype=torch.float64)
    values, expected = x.numpy(), np.empty((rows, 2))
    for group in range(groups):
        own = values[group::groups]
        expected[group::groups] = (own - own.mean(0)) / np.sqrt(own.var(0) + 1e-5)
    layer.double()
    out = layer(x).detach().numpy()
    assert out == pytest.approx(expected * layer.weight.detach().numpy() + layer.bias.detach().numpy(), abs=1e-6)
    mean = np.mean([values[group::groups].mean(0) for group in range(groups)], axis=0)
    assert layer.running_mean.numpy() == pytest.approx(0.1 * mean, abs=1e-6)
    variance = np.mean([values[group::groups].var(0, ddof=1) for group in range(groups)], axis=0)
    assert layer.running_var.numpy() == pytest.approx(0.9 + 0.1 * variance, abs=1e-6)


def test_two_processes_have_the_groups_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = split(nn.BatchNorm2d(3), 4), torch.randn(16, 3, 2, 2)
    whole = layer(x)
    monkeypatch.setattr(split_batch_norm, "world_size", lambda: 2)
    for rank in (0, 1):
        assert torch.allclose(layer(x[rank::2]), whole[rank::2], atol=1e-6)
    monkeypatch.setattr(split_batch_norm, "world_size", lambda: 3)
    with pytest.raises(InputError, match=r"bn_splits.* a multiple of their number 3, got 4"):
        layer(x)


def encoded(encode: nn.Module, views: Tensor, groups: int) -> Tensor:
    """Embeddings by an encoder with torch's layers, a pass for each group."""
    out = torch.empty(len(views), 128)
    for group in range(groups):
        out[group::groups] = encode(views[group::groups])
    return out


@pytest.mark.parametrize("shuffle", [False, True])
def test_moco_encodes_each_group_as_if_it_were_the_batch(shuffle: bool) -> None:
    options = {"queue_size": 16, "projection_head": "linear"}
    torch.manual_seed(0)
    plain = MoCo("resnet9_slim", **options)
    assert not any(isinstance(layer, split_batch_norm.SplitBatchNorm) for layer in plain.modules())
    learner = MoCo("resnet9_slim", **options, bn_splits=4, shuffle=shuffle)
    learner.load_state_dict(plain.state_dict())
    sample, heads = make_rows(12, size=16), nn.Sequential(plain.backbone, plain.projection_head)
    torch.manual_seed(5)
    query, keys = learner.outputs(sample)
    order = torch.arange(12)
    if shuffle:
        torch.manual_seed(5)
        order = torch.randperm(12)
    with torch.no_grad():
        assert torch.allclose(query, encoded(copy.deepcopy(heads), sample.views[0], 4), atol=1e-5)
        assert torch.allclose(keys[order], encoded(heads, sample.views[1][order], 4), atol=1e-5)


def test_a_split_model_evaluates_and_saves_as_a_plain_one() -> None:
    plain, learner = MoCo("resnet9_slim", queue_size=16), MoCo("resnet9_slim", queue_size=16, bn_splits=2)
    learner.outputs(make_rows(8, size=16))
    plain.load_state_dict(learner.state_dict())
    views = make_rows(5, size=16).views[0]
    assert torch.equal(plain.eval().embed(views), learner.eval().embed(views))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bn_splits": 0}, "Expected bn_splits >= 1, got 0"),
        ({"bn_splits": 2, "backbone": "vit_tiny", "projection_head": "linear"}, "vit_tiny, which has no batch norm"),
        ({"bn_splits": 2, "backbone": "timm/efficientnet_b0"}, "batch normalisation of torch .* got BatchNormAct2d"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MoCo(**{"backbone": "resnet9_slim", **options})


def test_split_layers_are_not_synchronised() -> None:
    with pytest.raises(InputError, match=r"got SplitBatchNorm, whose statistics differ. Leave sync_batchnorm out"):
        SyncBatchNormPlugin().apply(MoCo("resnet9_slim", bn_splits=2))
