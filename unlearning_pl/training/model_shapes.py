"""Names and shapes of the weights of models, which are built without memory where that is possible.

Letters: D width of the features, K classes.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.key_maps import KeyMap
from unlearning_pl.training.match_weights import COUNTER

T = TypeVar("T")
Shapes = dict[str, tuple[int, ...]]
"""Shape of each tensor, by its name."""


def renamed_shapes(key_map: KeyMap, shapes: Shapes) -> Shapes:
    r"""Shapes under a learner's names, without the tensors that the map leaves out.

    Example:
        >>> key_map = KeyMap("MoCo", ((r"encoder_q\.(.+)", r"backbone.\1"),))
        >>> renamed_shapes(key_map, {"encoder_q.conv1.weight": (64, 3)})
        {'backbone.conv1.weight': (64, 3)}
    """
    renamed = {}
    for name, shape in shapes.items():
        new = key_map.rename(name)
        if new is not None:
            width = key_map.width_of_groups(name, shapes)
            renamed[new] = (width,) if width else shape[::-1] if new in key_map.transposed else shape
    return renamed


def equal_shapes(given: Shapes, expected: Shapes) -> bool:
    """Whether a file has the tensors of a model; it may have the counters of batch normalisation too.

    Example:
        >>> equal_shapes({"bn.num_batches_tracked": (), "bn.bias": (8,)}, {"bn.bias": (8,)})
        True
    """
    return {name: shape for name, shape in given.items() if not name.endswith(COUNTER)} == expected


@cache
def encoder_shapes(backbone: str) -> Shapes:
    """Shapes of an image encoder, by its own names.

    Raises:
        InputError: If no encoder has that name.

    Example:
        >>> encoder_shapes("resnet9_slim")["0.weight"]
        (16, 3, 3, 3)
    """
    return built_shapes(lambda: build_backbone(backbone).net)


@cache
def classifier_shapes(backbone: str, classes: int) -> Shapes:
    """Shapes of a ``Classifier`` of K ``classes``.

    Raises:
        InputError: If no encoder has that name.

    Example:
        >>> classifier_shapes("resnet9_slim", 7)["head.weight"]
        (7, 128)
    """
    encoder = {f"backbone.{name}": shape for name, shape in encoder_shapes(backbone).items()}
    return {**encoder, "head.weight": (classes, _width(backbone)), "head.bias": (classes,)}


@cache
def _width(backbone: str) -> int:
    return _without_memory(lambda: build_backbone(backbone).feature_dim)


def built_shapes(build: Callable[[], nn.Module]) -> Shapes:
    """Shapes of the model that a function builds, see :func:`shapes_of`.

    Example:
        >>> built_shapes(lambda: nn.Linear(3, 2))
        {'weight': (2, 3), 'bias': (2,)}
    """
    return _without_memory(lambda: shapes_of(build()))


def shapes_of(module: nn.Module) -> Shapes:
    """Shapes of a model, without the counters of batch normalisation.

    Example:
        >>> shapes_of(nn.Linear(3, 2))
        {'weight': (2, 3), 'bias': (2,)}
    """
    state = module.state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.endswith(COUNTER)}


def _without_memory(compute: Callable[[], T]) -> T:
    try:
        with torch.device("meta"):
            return compute()
    except NotImplementedError:  # RegNet computes with the values of its initialisation
        return compute()
