"""Tiny random models of transformers, saved as its users save them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

transformers: Any = pytest.importorskip("transformers", reason="the extra transformers is not installed")

VIT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
VIT |= {"image_size": 32, "patch_size": 8}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
DINO = {key: value for key, value in VIT.items() if key != "intermediate_size"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "ViTForImageClassification": ("ViTConfig", VIT),
    "ResNetForImageClassification": ("ResNetConfig", {**STAGES, "embedding_size": 8, "layer_type": "basic"}),
    "ConvNextForImageClassification": ("ConvNextConfig", {**STAGES, "num_stages": 2}),
    "Dinov2ForImageClassification": ("Dinov2Config", DINO),
    "Dinov2Model": ("Dinov2Config", DINO),
    "CLIPVisionModel": ("CLIPVisionConfig", VIT),
}
SQUARE = {"size": {"height": 32, "width": 32}, "resample": 2}
CROPPED = {"size": {"shortest_edge": 37}, "crop_size": {"height": 32, "width": 32}, "resample": 3}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "square": ("ViTImageProcessor", SQUARE),
    "cropped": ("BitImageProcessor", CROPPED),
    "cropped square": (
        "DeiTImageProcessor",
        {"size": {"height": 37, "width": 37}, "crop_size": {"height": 32, "width": 32}},
    ),
    "part": ("ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.875}),
    "large": ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
}


def make_processor(name: str) -> Any:
    kind, settings = PROCESSORS[name]
    return getattr(transformers, f"{kind}Pil")(**settings)


def save_model(folder: Path, name: str = "ViTForImageClassification", processor: str | None = "square") -> Any:
    """Save a model of random weights and statistics with five classes, and return it."""
    torch.manual_seed(0)
    config, settings = MODELS[name]
    labels = {number: f"breed {number}" for number in range(5)}
    net = getattr(transformers, name)(getattr(transformers, config)(**settings, id2label=labels)).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.8, 1.2)  # type: ignore[arg-type]
    net.save_pretrained(folder)
    if processor is not None:
        make_processor(processor).save_pretrained(folder)
    return net
