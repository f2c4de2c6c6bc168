"""Precision of float32 matrix products and convolutions on CUDA."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn


@contextmanager
def cuda_precision(device: torch.device, tf32: bool) -> Iterator[None]:
    """Context in which float32 products and convolutions on CUDA use TF32, or full precision; without effect elsewhere.

    TF32 rounds the factors of a product to 10 bits of mantissa and adds up in float32; PyTorch uses it by default for
    convolutions alone. Source: "TensorFloat-32 (TF32) on Ampere (and later) devices" in PyTorch's CUDA semantics,
    https://docs.pytorch.org/docs/stable/notes/cuda.html.

    Args:
        device: The device that computes.
        tf32: Whether to use TF32. A coarser precision that ``torch.set_float32_matmul_precision`` has set stays then.

    Example:
        >>> with cuda_precision(torch.device("cpu"), tf32=True):
        ...     torch.get_float32_matmul_precision()
        'highest'
    """
    if device.type != "cuda":
        yield
        return
    try:
        matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:  # the getters refuse what the newer attributes fp32_precision were set to
        rank_zero_warn("torch.backends has an fp32_precision of its own, which stays: trainer.tf32 has no effect.")
        yield
        return
    if not tf32 or matmul == "highest":
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    if tf32 and torch.cuda.is_tf32_supported():
        _announce()
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


@cache
def _announce() -> None:
    rank_zero_info("Float32 products and convolutions use TF32; --trainer.tf32 false computes them in full precision.")
