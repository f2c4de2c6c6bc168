"""Batch normalisation over groups of the rows of a batch.

Letters: B rows of a process, C channels, G groups of a process.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override

from unlearning_pl.distributed.collectives import world_size
from unlearning_pl.errors import require


class SplitBatchNorm(_BatchNorm):
    """Batch normalisation with statistics of each of several groups of rows, as if each group had a device of its own.

    Row i of a process belongs to group i mod G. A batch of fewer than 2 G rows has as many groups as it has pairs of
    rows, so that no group consists of a single row. Running statistics are the mean over the groups, so that the names
    and shapes in checkpoints, and evaluation, are those of torch's ``BatchNorm``. For a multiple of G rows it computes
    the same as lightly's ``SplitBatchNorm``, which refuses others.

    ``bn_splits`` is the number of groups over all processes, each of which has G = ``bn_splits`` / processes. A
    process gets every other row of a stream where there are two, so the groups are the same, here of rows 0 to 7:

    ======  =======================  =======================
    rank    1 process, 4 splits      2 processes, 4 splits
    ======  =======================  =======================
    0       0 4 | 1 5 | 2 6 | 3 7    0 4 | 2 6
    1                                1 5 | 3 7
    ======  =======================  =======================

    Example:
        >>> layer = nn.Sequential(nn.BatchNorm1d(1))
        >>> split_batch_norms(layer, bn_splits=2)
        1
        >>> layer(torch.tensor([[1.0], [10.0], [3.0], [30.0]])).detach().flatten().round().tolist()
        [-1.0, -1.0, 1.0, 1.0]
    """

    bn_splits: int

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(B, C, ...)``."""
        groups = min(groups_per_process(self.bn_splits), max(1, len(input) // 2))
        if not self.training or groups == 1:
            return super().forward(input)
        # Rows divide: the groups become channels, and one call normalises them all.
        parts = [input] if len(input) % groups == 0 else [input[group::groups] for group in range(groups)]
        normalised = [self._normalise(rows, groups // len(parts)) for rows in parts]
        outputs, means, variances = zip(*normalised, strict=True)
        self._update_running_statistics(torch.cat(means).mean(0), torch.cat(variances).mean(0))
        if len(parts) == 1:
            output: Tensor = outputs[0]
            return output
        rows = torch.arange(len(input), device=input.device)
        return torch.cat(outputs)[torch.cat([rows[group::groups] for group in range(groups)]).argsort()]

    def _normalise(self, input: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised rows, and mean and variance of each group, ``(G, C)``."""
        rows = input.reshape(len(input) // groups, -1, *input.shape[2:])
        dtype = torch.promote_types(rows.dtype, torch.float32)
        mean, variance = (rows.new_zeros(rows.shape[1], dtype=dtype) for _ in range(2))
        weight, bias = (None if w is None else w.repeat(groups) for w in (self.weight, self.bias))
        # A momentum of 1 replaces the running statistics by those of the groups.
        output = F.batch_norm(rows, mean, variance, weight, bias, training=True, momentum=1.0, eps=self.eps)
        return output.reshape(input.shape), mean.view(groups, -1), variance.view(groups, -1)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)

    @override
    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions."""


def groups_per_process(bn_splits: int) -> int:
    """Number of groups of this process.

    Raises:
        InputError: If the groups do not divide among the processes.

    Example:
        >>> groups_per_process(8)
        8
    """
    processes = world_size()
    require(
        bn_splits % processes == 0,
        f"Expected model.bn_splits, groups over all processes, to be a multiple of their number {processes}, got "
        f"{bn_splits}. Choose another number of splits or of processes.",
    )
    return bn_splits // processes


def split_batch_norms(module: nn.Module, bn_splits: int) -> int:
    """Turn every batch normalisation of a module into :class:`SplitBatchNorm`, with its weights and its name.

    Args:
        module: The module, changed in place.
        bn_splits: Number of groups over all processes, at least 1; 1 changes nothing.

    Returns:
        The number of batch normalisations in the module.

    Raises:
        InputError: If ``bn_splits`` is below 1, or greater and a norm layer does more than to normalise.
    """
    require(bn_splits >= 1, f"Expected bn_splits >= 1, got {bn_splits}. The authors use 8; 1 splits nothing.")
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers if bn_splits > 1 else ():
        require(
            type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d),
            f"Expected batch normalisation of torch with bn_splits = {bn_splits}, got {type(layer).__name__}. Choose "
            "another backbone, or bn_splits = 1.",
        )
        layer.__class__ = SplitBatchNorm
        layer.bn_splits = bn_splits  # type: ignore[assignment]
    return len(layers)
