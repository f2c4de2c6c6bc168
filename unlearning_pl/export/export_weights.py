"""The weights of a run as one file: safetensors, or a state dict of torch."""

import copy
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from unlearning_pl.errors import InputError, require
from unlearning_pl.export.original_file import original_file
from unlearning_pl.export.restore_layout import RestoredFile, convert, restore_layout
from unlearning_pl.io import atomic_write
from unlearning_pl.learners import Learner
from unlearning_pl.training.read_tensors import read_tensors

Names = Literal["original", "own"]
Dtype = Literal["float32", "float16", "bfloat16"]


def layout_of(
    run: str | Path,
    learner: Learner,
    like: str | Path | None = None,
    names: Names | None = None,
    dtype: Dtype | None = None,
) -> tuple[RestoredFile, Path | None]:
    """Weights of a run as its original file lays them out, or under the learner's own names.

    Args:
        run: The run folder.
        learner: Its learner, with its weights.
        like: The file to take names and layout from, in place of the original that the run's records name.
        names: ``original`` or ``own``; by default ``original`` for a run that comes from a file.
        dtype: Type of all floating-point tensors; by default that of each tensor in the file, or in the run.

    Returns:
        The weights, and the file whose layout they have; None for the learner's own names.

    Raises:
        InputError: If the file is not found, was changed, or holds another model.
    """
    require(
        like is None or names != "own",
        f"Expected --like or --names own, got both, --like {like}. Leave one of them out.",
    )
    file = None if names == "own" else original_file(run) if like is None else Path(like).expanduser()
    if file is None:
        require(
            names != "original",
            f"Expected a run that comes from a file for --names original, got {run}, which was trained here. "
            "Give --like FILE, with weights of the same model, or --names own.",
        )
        state = converted(dict(learner.state_dict()), dtype)
        return RestoredFile(state, state, [], []), None
    require(file.is_file(), f"Expected a file of weights as --like, got {file}, which is none. Correct the path.")
    return restore_layout(learner, read_tensors(file), file, None if dtype is None else getattr(torch, dtype)), file


def write_weights(restored: RestoredFile, to: Path, format: Literal["safetensors", "torch"]) -> None:
    """Write weights as a file, completely or not at all.

    Args:
        restored: The weights; safetensors holds them alone, a file of torch also the settings beside them.
        to: The file.
        format: ``safetensors`` or ``torch``.

    Raises:
        InputError: If safetensors is not installed.
    """
    content = converted(restored.weights if format == "safetensors" else restored.content, None)
    if format == "safetensors":
        written = safetensors_bytes(content)
        with atomic_write(to) as file:
            file.write(written)
    else:
        with atomic_write(to) as file:
            torch.save(content, file)


def safetensors_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Contiguous tensors as the content of a safetensors file.

    Raises:
        InputError: If safetensors is not installed.
    """
    if find_spec("safetensors") is None:
        raise InputError("Expected the package safetensors, got none. Run pip install 'unlearning-pl[clip]'.")
    from safetensors.torch import save

    return save(dict(state), {"format": "pt"})  # transformers reads no file without this


def converted(content: Any, dtype: Dtype | None, name: str = "weights") -> Any:
    """The same content with contiguous tensors of their own memory, its floating-point numbers in one type.

    Args:
        content: Tensors in dictionaries, and anything else, which stays.
        dtype: The type; by default each tensor keeps its own.
        name: Name of the content, for messages.

    Raises:
        InputError: If a weight is too large for the type.

    Example:
        >>> converted({"w": torch.ones(2), "epoch": 3}, "float16")
        {'w': tensor([1., 1.], dtype=torch.float16), 'epoch': 3}
    """
    if isinstance(content, Tensor):
        wanted = getattr(torch, dtype) if dtype is not None and content.is_floating_point() else content.dtype
        return convert(content, wanted, name).clone(memory_format=torch.contiguous_format)
    if isinstance(content, dict):
        result = copy.copy(content)  # an OrderedDict of torch keeps the versions of its modules
        result.update({key: converted(value, dtype, str(key)) for key, value in content.items()})
        return result
    return content
