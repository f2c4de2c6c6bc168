"""Base classes of random views.

Letters: B rows, H height, W width.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from typing_extensions import override


class Views(nn.Module, ABC):
    """Base class of random views; a new policy is a subclass that implements ``forward``."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""

    @override
    def extra_repr(self) -> str:
        """Arguments of the policy, which are its public attributes."""
        hidden = ("training", "transform")  # the latter while it is compiled
        given = {name: value for name, value in vars(self).items() if name not in hidden and name[0] != "_"}
        return ", ".join(
            f"{name}={value:g}" if type(value) is float else f"{name}={value}" for name, value in given.items()
        )


class DrawnViews(Views):
    """Base class of views whose random numbers are drawn first: the rest can be compiled, see docs/performance.md."""

    @abstractmethod
    def draw(self, images: Tensor) -> tuple[Tensor, ...]:
        """Draw all random numbers for views of ``images``, from torch's generators."""

    @abstractmethod
    def transform(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]`` by the numbers of :meth:`draw`, without random ones."""

    @override
    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""
        return self.transform(images, *self.draw(images))
