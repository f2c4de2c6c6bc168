"""Folders of transformers: vectors of the library itself, every tensor under its name, and refusals in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from learners.saved_models import save_model, transformers
from safetensors.torch import load_file
from torch import nn

from unlearning_pl.errors import InputError
from unlearning_pl.learners import BYOL, Classifier, SimCLR
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.model_files import guess_file, open_file
from unlearning_pl.training.saved_folder import weights_file
from unlearning_pl.training.weights import load_weights

CLASSIFIERS = (
    "ViTForImageClassification",
    "ResNetForImageClassification",
    "ConvNextForImageClassification",
    "Dinov2ForImageClassification",
)
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CLASSIFIERS)
@torch.no_grad()
def test_features_scores_and_tensors_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    net = save_model(tmp_path, name)
    inputs: list[torch.Tensor] = []
    linear = next(part for part in net.classifier.modules() if isinstance(part, nn.Linear))
    linear.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    expected = net(IMAGES).logits
    learner, model = open_file(weights_file(tmp_path))
    assert str(model.guessed) == f"Classifier (backbone transformers/{tmp_path}, num_classes 5)"
    learner.eval()
    torch.testing.assert_close(learner.features(IMAGES), inputs[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(learner.class_scores(IMAGES), expected, rtol=1e-5, atol=1e-5)
    state = load_file(tmp_path / "model.safetensors")
    matched = match_weights(learner, state, tmp_path)
    assert {*matched.origin.values()} == state.keys()
    assert all(torch.equal(learner.state_dict()[new], state[old]) for new, old in matched.origin.items())


@pytest.mark.parametrize("name", ["Dinov2Model", "CLIPVisionModel"])
@torch.no_grad()
def test_an_encoder_begins_a_classifier(name: str, tmp_path: Path) -> None:
    net = save_model(tmp_path, name)
    learner = Classifier(f"transformers/{tmp_path}", num_classes=3).eval()
    head = learner.head.weight.clone()
    load_weights(learner, tmp_path, new_head=True)
    torch.testing.assert_close(learner.features(IMAGES), net(IMAGES).pooler_output, rtol=1e-5, atol=1e-5)
    assert torch.equal(learner.head.weight, head)
    load_weights(SimCLR(f"transformers/{tmp_path}"), tmp_path, new_head=True)
    with pytest.raises(InputError, match=r"other names: 2 are missing \(head\.weight, head\.bias\)"):
        load_weights(learner, tmp_path)
    with pytest.raises(InputError, match=r"BYOL .* with other names"):
        load_weights(BYOL(f"transformers/{tmp_path}"), tmp_path, new_head=True)
    with pytest.raises(InputError, match=r"classifier, got the encoder .*Train one from it: fit"):
        guess_file(weights_file(tmp_path))


def test_a_backbone_is_built_from_a_configuration(tmp_path: Path) -> None:
    transformers.ViTConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=2).save_pretrained(tmp_path)
    backbone = build_backbone(f"transformers/{tmp_path}/config.json")
    assert (backbone.feature_dim, backbone.pixels) == (24, None)
    save_model(tmp_path)
    backbone = build_backbone(f"transformers/{tmp_path}")
    assert backbone.pixels is not None
    assert backbone.pixels.mean == pytest.approx((0.5, 0.5, 0.5))


def test_names_of_the_model_itself_are_read_too(tmp_path: Path) -> None:
    net = save_model(tmp_path)
    learner = Classifier(f"transformers/{tmp_path}", num_classes=5)
    (tmp_path / "model.safetensors").unlink()
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    load_weights(learner, tmp_path)
    own = dict(learner.backbone.state_dict())
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in own.items())


def refused(folder: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        guess_file(weights_file(folder))
    assert "\n" not in str(error.value)


def test_what_is_no_model_of_images_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "whole")
    for name in ("text", "plain", "shapes", "damaged", "code", "sharded"):
        shutil.copytree(tmp_path / "whole", tmp_path / name)
    (tmp_path / "plain/preprocessor_config.json").unlink()
    refused(tmp_path / "plain", r"Expected preprocessor_config\.json.*got none.*plain/config\.json as `architecture`")
    guessed = guess_file(weights_file(tmp_path / "plain"), f"transformers/{tmp_path}/plain/config.json")
    assert (guessed.resize, guessed.guessed.arguments["num_classes"]) == (None, 5)
    for name in ("BertForSequenceClassification", "BertModel", "CLIPModel"):
        kind = transformers.CLIPConfig if name == "CLIPModel" else transformers.BertConfig
        kind(architectures=[name]).save_pretrained(tmp_path / "text")
        refused(tmp_path / "text", f"got {name} in .*Give another model")
    settings = json.loads((tmp_path / "shapes/config.json").read_text())
    (tmp_path / "shapes/config.json").write_text(json.dumps({**settings, "intermediate_size": 40}))
    refused(tmp_path / "shapes", "Expected the weights of transformers/.*shapes, got .*with 40 others")
    learner = Classifier(f"transformers/{tmp_path}/shapes", num_classes=5)
    with pytest.raises(InputError, match=r"architecture: backbone\.vit\..* has the shape \(32.* in place of \(40"):
        load_weights(learner, tmp_path / "shapes")
    (tmp_path / "damaged/config.json").write_text('{"model_type":')
    refused(tmp_path / "damaged", "Expected a configuration that transformers reads")
    (tmp_path / "sharded/model.safetensors.index.json").write_text("{}")
    refused(tmp_path / "sharded", r"Expected one file of weights in .*got several by model\.safetensors\.index\.json")
    with pytest.raises(InputError, match=r"Expected a folder of transformers.*nothing is downloaded"):
        library_model("transformers/google/vit-base-patch16-224")


def test_code_of_a_folder_is_not_run(tmp_path: Path) -> None:
    save_model(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    settings = json.loads((tmp_path / "config.json").read_text())
    evil = {"AutoConfig": "evil.C", "AutoImageProcessor": "evil.P", "AutoModelForImageClassification": "evil.M"}
    (tmp_path / "config.json").write_text(json.dumps({**settings, "auto_map": evil}))
    open_file(weights_file(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({**settings, "auto_map": evil, "model_type": "evil"}))
    with pytest.raises(InputError, match="without code of others"):
        guess_file(weights_file(tmp_path))
    assert not (tmp_path / "ran").exists()
    (tmp_path / "config.json").write_text(json.dumps(settings))
    torch.save({"model": nn.Linear(2, 2)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="Nothing of it was run"):
        guess_file(weights_file(tmp_path))


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(tmp_path)
    monkeypatch.setattr("unlearning_pl.learners.transformers_models.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'unlearning-pl\[transformers\]'"):
        library_model(f"transformers/{tmp_path}")
