"""Machine unlearning of contrastive and supervised image encoders on PyTorch Lightning."""

from unlearning_pl import _torchvision  # isort: skip  # noqa: F401  before anything that imports torchvision
from unlearning_pl.__about__ import __version__

__all__ = ["__version__"]
