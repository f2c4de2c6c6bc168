"""Which folders are those of transformers: the name of its files alone does not tell."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

from unlearning_pl.training.model_files import guess_file
from unlearning_pl.training.saved_folder import saved_architecture, weights_file


@pytest.mark.parametrize(
    ("config", "is_saved"),
    [
        ({"model_type": "vit", "architectures": ["ViTModel"]}, True),
        ({"architectures": ["ViTModel"]}, True),
        ({"architecture": "mobilenetv3_small_100", "num_classes": 3, "pretrained_cfg": {}}, False),  # timm's
        ({"library": "torchvision"}, False),
        (["model_type"], False),
        ('{"model_type":', True),
        (None, False),
    ],
)
def test_a_folder_is_known_by_its_configuration(config: object, is_saved: bool, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(mobilenet_v3_small(num_classes=3).state_dict(), file)
    if config is not None:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    assert weights_file(tmp_path) == (file if is_saved else tmp_path)
    assert saved_architecture(file) == (f"transformers/{tmp_path}" if is_saved else None)
    if not is_saved:
        assert str(guess_file(file).guessed).startswith("Classifier (backbone torchvision/mobilenet_v3_small")


def test_a_run_folder_stays_one(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert weights_file(tmp_path) == tmp_path
