"""Check of the tensors in a file before anything is computed from them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import require, shown

_BELOW_BYTE = re.compile(r"torch\.u?int[1-7]")
"""Types of less than a byte, which torch can neither copy nor compare."""


def check_tensors(state: Mapping[Any, Any], path: str | Path) -> None:
    """Check that a file holds tensors by name: a stranger's may hold anything that ``weights_only=True`` reads.

    Raises:
        InputError: If a name is no string, or a value is no dense tensor that is as large in memory as it says.

    Example:
        >>> check_tensors({"bias": torch.ones(1)}, "w.pt")
    """
    for name, value in state.items():
        require(
            isinstance(name, str),
            f"Expected weights by name in {path}, got the key {shown(name)}. Save model.state_dict().",
        )
        require(
            isinstance(value, Tensor),
            f"Expected tensors alone in {path}, got {type(value).__name__} as {shown(name)}. Save model.state_dict().",
        )
        require(
            type(value) in (Tensor, torch.nn.Parameter)
            and not value.is_nested
            and value.layout == torch.strided
            and value.device.type == "cpu"
            and not value.is_quantized
            and _BELOW_BYTE.fullmatch(str(value.dtype)) is None,
            f"Expected dense tensors with values in {path}, got {type(value).__name__}, {value.layout}, {value.dtype}, "
            f"on {value.device}, as {shown(name)}. Save model.state_dict() of the whole model.",
        )
        size, stored = value.numel() * value.element_size(), value.untyped_storage().nbytes()
        require(
            size <= stored,
            f"Expected tensors with all their values in {path}, got {shown(name)} of {size} bytes with {stored} in the "
            "file. Save contiguous tensors.",
        )
