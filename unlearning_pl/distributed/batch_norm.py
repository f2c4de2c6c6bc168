"""Synchronised batch normalisation, over the rows of all processes.

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

_TIMM_LAYERS = ("drop", "act")  # layers that timm's BatchNormAct2d applies after the normalisation


class OwnStatisticsBatchNorm(_BatchNorm):
    """Base of layers that compute batch statistics in another way than torch, for inputs of any number of dimensions.

    Names and shapes in checkpoints, and evaluation, are those of torch's ``BatchNorm``.
    """

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards mean and unbiased variance, ``(C,)``, as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)

    @override
    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions."""


class DifferentiableSyncBatchNorm(OwnStatisticsBatchNorm):
    """Batch normalisation over the rows of all processes, on any device and with gradients of any order.

    torch's ``SyncBatchNorm`` refuses CPUs, and its backward pass cannot be differentiated again; on a GPU it is faster.
    Every process must have the same number of rows. In a single process, and in evaluation mode, the layer computes the
    same as torch's ``BatchNorm``. A timm layer with an activation keeps its activation.

    Example:
        >>> layer = DifferentiableSyncBatchNorm(2)
        >>> layer(torch.tensor([[1.0, 2.0], [3.0, 6.0]])).detach().round().int().tolist()
        [[-1, -1], [1, 1]]
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(B, C, ...)``."""
        is_local = not self.training or world_size() == 1
        output = super().forward(input) if is_local else self._synchronised_forward(input)
        for name in _TIMM_LAYERS:
            output = getattr(self, name, _identity)(output)
        return output

    def _synchronised_forward(self, input: Tensor) -> Tensor:
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        axes, shape = [0, *range(2, x.dim())], [1, -1] + [1] * (x.dim() - 2)
        n = world_size() * x.numel() // x.shape[1]
        centred = x - (mean := all_reduce_sum(x.sum(axes)) / n).view(shape)
        variance = all_reduce_sum(centred.square().sum(axes)) / n
        self._update_running_statistics(mean.detach(), variance.detach() * n / (n - 1))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        output = centred * scale.view(shape)
        return (output + self.bias.view(shape) if self.affine else output).to(input.dtype)


class SyncBatchNormPlugin(TorchSyncBatchNorm):
    """Lightning plug-in of ``sync_batchnorm``: synchronises the batch normalisation of a model while it trains.

    It uses torch's ``SyncBatchNorm`` where that works: on GPUs, without gradients of gradients, for layers that only
    normalise. Otherwise it changes the class of each layer to :class:`DifferentiableSyncBatchNorm`: the modules stay
    the same objects, with their names, their weights and all references to them.
    """

    def __init__(self) -> None:
        self._original_classes: dict[nn.Module, type[Any]] = {}

    @override
    def apply(self, model: nn.Module) -> nn.Module:
        layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        only_normalise = all(_only_normalises(layer) for layer in layers)
        trainer: Any = getattr(model, "trainer", None)
        root = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        callbacks = [] if trainer is None else trainer.callbacks
        second_order = any(getattr(callback, "second_order", False) for callback in callbacks)
        if only_normalise and root.type == "cuda" and not second_order:
            return super().apply(model)
        for layer in layers:
            self._original_classes[layer] = type(layer)
            layer.__class__ = DifferentiableSyncBatchNorm
        return model

    @override
    def revert(self, model: nn.Module) -> nn.Module:
        for module, original_class in self._original_classes.items():
            module.__class__ = original_class
        self._original_classes.clear()
        return super().revert(model)


def _only_normalises(layer: nn.Module) -> bool:
    """Whether a layer only normalises; torch's ``SyncBatchNorm`` would silently drop an activation."""
    only_normalises = type(layer).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward)
    require(
        only_normalises or all(hasattr(layer, name) for name in _TIMM_LAYERS),
        f"Expected norm layers of torch or timm with trainer.sync_batchnorm, got {type(layer).__name__}, whose "
        "statistics differ. Leave sync_batchnorm out.",
    )
    return only_normalises


def _identity(x: Tensor) -> Tensor:
    return x
