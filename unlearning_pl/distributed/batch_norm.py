"""Batch normalisation with the statistics of all processes.

Letters: B rows of a process, C channels.
"""

from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override

from unlearning_pl.distributed.collectives import all_reduce_sum, world_size
from unlearning_pl.errors import require

_AFTER = ("drop", "act")  # what timm's BatchNormAct2d goes on with


class DifferentiableSyncBatchNorm(_BatchNorm):
    """Batch normalisation over the rows of all processes, on any device and with gradients of any order.

    torch's ``SyncBatchNorm`` refuses CPUs, and its backward pass cannot be differentiated again; on a GPU it is faster.
    Every process has the same number of rows. Whoever is alone, or in evaluation mode, has torch's ordinary layer.
    A layer of timm's with an activation in it keeps that.

    Example:
        >>> layer = DifferentiableSyncBatchNorm(2)
        >>> layer(torch.tensor([[1.0, 2.0], [3.0, 6.0]])).detach().round().int().tolist()
        [[-1, -1], [1, 1]]
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Normalised ``input``, ``(B, C, ...)``."""
        alone = not self.training or world_size() == 1
        found = super().forward(input) if alone else self._normalised(input)
        for name in _AFTER:
            found = getattr(self, name, _unchanged)(found)
        return found

    def _normalised(self, input: Tensor) -> Tensor:
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        axes, shape = [0, *range(2, x.dim())], [1, -1] + [1] * (x.dim() - 2)
        n = world_size() * x.numel() // x.shape[1]
        centred = x - (mean := all_reduce_sum(x.sum(axes)) / n).view(shape)
        variance = all_reduce_sum(centred.square().sum(axes)) / n
        self._remember(mean.detach(), variance.detach() * n / (n - 1))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        found = centred * scale.view(shape)
        return (found + self.bias.view(shape) if self.affine else found).to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    @override
    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do."""


class SyncBatchNormPlugin(TorchSyncBatchNorm):
    """What ``sync_batchnorm`` does to a model's layers while it trains.

    torch's own layer where it works, which is on GPUs, without gradients of gradients and for layers that do nothing
    else; :class:`DifferentiableSyncBatchNorm` elsewhere. There the modules stay, and with them their names, weights and
    whoever else holds them.
    """

    def __init__(self) -> None:
        self._before: dict[nn.Module, type[Any]] = {}

    @override
    def apply(self, model: nn.Module) -> nn.Module:
        layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        bare = all(_bare(layer) for layer in layers)
        trainer: Any = getattr(model, "trainer", None)
        root = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        callbacks = [] if trainer is None else trainer.callbacks
        # What cannot run through a compiled encoder takes gradients of gradients.
        if bare and root.type == "cuda" and all(getattr(callback, "compiles", True) for callback in callbacks):
            return super().apply(model)
        for layer in layers:
            self._before[layer] = type(layer)
            layer.__class__ = DifferentiableSyncBatchNorm
        return model

    @override
    def revert(self, model: nn.Module) -> nn.Module:
        for module, kind in self._before.items():
            module.__class__ = kind
        self._before.clear()
        return super().revert(model)


def _bare(layer: nn.Module) -> bool:
    """Whether a layer does nothing but normalise; torch would drop an activation without a word."""
    bare = type(layer).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward)
    require(
        bare or all(hasattr(layer, name) for name in _AFTER),
        f"Expected norm layers of torch or timm with trainer.sync_batchnorm, got {type(layer).__name__}, whose "
        "statistics are others. Leave sync_batchnorm out.",
    )
    return bare


def _unchanged(x: Tensor) -> Tensor:
    return x
