"""Which parameters an optimiser decays: all of them, or the matrices alone."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from torch import nn

from unlearning_pl.errors import require

WeightDecayOn = Literal["all", "matrices"]
_WRAPPERS = ("_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod")  # parts of names, not of the model


def parameter_dimensions(module: nn.Module) -> dict[str, int]:
    """Number of dimensions of each parameter by its name, before FSDP flattens and shards them.

    Example:
        >>> parameter_dimensions(nn.Conv2d(3, 8, kernel_size=3))
        {'weight': 4, 'bias': 1}
    """
    return {_plain(name): parameter.ndim for name, parameter in module.named_parameters()}


def parameter_groups(module: nn.Module, dimensions: Mapping[str, int], on: WeightDecayOn) -> Iterable[Any]:
    """Trainable parameters as an optimiser takes them: in one group, or those without weight decay in a second one.

    ``matrices`` are the parameters of two dimensions or more: weights of convolutions and linear layers, embeddings.
    Norms, biases and scalars such as CLIP's logit scale are not decayed, the rule of open_clip and timm (``ndim < 2``).

    Args:
        module: The module, possibly sharded.
        dimensions: Of its parameters, from :func:`parameter_dimensions`.
        on: Whether all parameters are decayed, or the matrices.

    Returns:
        Parameters, for ``all``; else one or two groups, neither of them empty.

    Raises:
        InputError: If the number of dimensions of a parameter is not known.

    Example:
        >>> module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        >>> groups = parameter_groups(module, parameter_dimensions(module), "matrices")
        >>> [(len(group["params"]), group.get("weight_decay")) for group in groups]
        [(1, None), (3, 0.0)]
    """
    trainable = [(_plain(name), p) for name, p in module.named_parameters() if p.requires_grad]
    if on == "all":
        return [parameter for _, parameter in trainable]
    unknown = next((name for name, _ in trainable if name not in dimensions), None)
    require(
        unknown is None,
        f"Expected parameters whose shapes are known before they are sharded for --weight_decay_on matrices, got "
        f"{unknown}. Call super().setup(stage) in setup of {type(module).__name__}, add modules before it, leave "
        "use_orig_params of FSDP true, or choose --weight_decay_on all.",
    )
    decayed = [parameter for name, parameter in trainable if dimensions[name] >= 2]
    others = [parameter for name, parameter in trainable if dimensions[name] < 2]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _plain(name: str) -> str:
    """Name of a parameter without the wrappers that FSDP, activation checkpointing and torch.compile put around it."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)
