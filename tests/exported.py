"""Learners written as other people's files."""

from pathlib import Path

import torch
from torch import Tensor, nn

from unlearning_pl.learners import Learner


class Features(nn.Module):
    """The part of a learner that others would export."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.backbone = learner.backbone

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        return features


def export(module: nn.Module, path: Path, size: int = 8, free: bool = True) -> Path:
    """Write a module as ``.pt`` or ``.onnx``; ``free`` leaves the number of rows open in ONNX."""
    module, images = module.eval(), torch.rand(2, 3, size, size)
    with torch.no_grad():
        if path.suffix != ".onnx":
            torch.jit.trace(module, images).save(str(path))
            return path
        rows = {"images": {0: "rows"}, "vectors": {0: "rows"}} if free else None
        names = {"input_names": ["images"], "output_names": ["vectors"], "dynamic_axes": rows}
        torch.onnx.export(module, (images,), str(path), dynamo=False, **names)
    return path
