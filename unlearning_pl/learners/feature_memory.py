"""Features that a step has computed, for loss terms that need them again.

Letters: B rows of a view, V views, D width of the features.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor


def concat_views(views: Sequence[Tensor]) -> Tensor:
    """Join views of the same images, each ``(B, ...)``, for one pass: ``(V B, ...)``, which keeps what it was made of.

    Example:
        >>> first, second = torch.zeros(2, 3), torch.ones(2, 3)
        >>> joined = concat_views((first, second))
        >>> joined.shape, joined.views[1] is second
        (torch.Size([4, 3]), True)
    """
    joined = torch.cat(tuple(views))
    joined.views = tuple(views)  # type: ignore[attr-defined]
    return joined


class FeatureMemory:
    """A ``features`` function that keeps what it has computed with a gradient.

    Args:
        compute: Maps images ``(B, ...)`` to features ``(B, D)``.

    Example:
        >>> memory, view = FeatureMemory(lambda x: 2 * x), torch.ones(1, requires_grad=True)
        >>> features = memory(view)
        >>> memory.recall(view) is features, memory.recall(view.clone()) is None
        (True, True)
    """

    def __init__(self, compute: Callable[[Tensor], Tensor]) -> None:
        self.compute = compute
        self._passes: list[tuple[tuple[Tensor, ...], Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        """Features ``(B, D)`` of images."""
        features = self.compute(x)
        if torch.is_grad_enabled():
            self._passes.append((getattr(x, "views", (x,)), features))
        return features

    def recall(self, view: Tensor) -> Tensor | None:
        """Features ``(B, D)`` of a view, of the last pass that embedded it alone or by :func:`concat_views`.

        None for any other tensor, even one with the same values: to compare values would wait for the device.
        """
        for views, features in reversed(self._passes):
            for place, embedded in enumerate(views):
                if embedded is view:
                    return features if len(views) == 1 else features[place * len(view) : (place + 1) * len(view)]
        return None


@contextmanager
def replaced_features(module: Any, features: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the context ``module.features`` is another function.

    Example:
        >>> from types import SimpleNamespace
        >>> module = SimpleNamespace(features=abs)
        >>> with replaced_features(module, round):
        ...     module.features
        <built-in function round>
        >>> module.features
        <built-in function abs>
    """
    # The instance's dictionary comes before submodules and methods, and a module may have `features` as any of them.
    attributes = vars(module)
    outer = attributes.get("features")
    attributes["features"] = features
    try:
        yield
    finally:
        if outer is None:
            del attributes["features"]
        else:
            attributes["features"] = outer


def remember_features(module: Any) -> AbstractContextManager[None]:
    """Within the context ``module.features`` is a :class:`FeatureMemory` of the module's own function.

    Example:
        >>> from types import SimpleNamespace
        >>> module = SimpleNamespace(features=abs)
        >>> with remember_features(module):
        ...     isinstance(module.features, FeatureMemory)
        True
    """
    return replaced_features(module, FeatureMemory(module.features))


def features_of(module: Any, view: Tensor) -> Tensor:
    """Features ``(B, D)`` of a view, which this step has computed already, or of a pass of its own.

    Example:
        >>> from types import SimpleNamespace
        >>> features_of(SimpleNamespace(features=abs), torch.tensor([-1.0]))
        tensor([1.])
    """
    compute = module.features
    known = compute.recall(view) if isinstance(compute, FeatureMemory) else None
    features: Tensor = compute(view) if known is None else known
    return features
