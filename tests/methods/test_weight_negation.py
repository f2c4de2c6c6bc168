from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import LEARNERS, make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.methods import WeightNegation


@pytest.mark.parametrize("name", LEARNERS)
def test_before_the_first_step_the_first_layer_is_negated_and_nothing_else_moved(name: str, tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner(name), datamodule=make_data())
    before = torch.load(tmp_path / "original/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    found = {}

    class Spy(WeightNegation):
        def on_train_start(self, trainer: object, pl_module: Learner) -> None:
            found.update({key: value.clone() for key, value in pl_module.state_dict().items()})

    make_trainer(max_epochs=1).unlearn(make_learner(name), make_data(), str(tmp_path / "original"), Spy())
    negated = {key for key in before if torch.equal(found[key], -before[key]) and before[key].any()}
    first = {"backbone.conv1.weight" if name == "CLIP" else "backbone.0.weight"} | {
        key for key in before if key.endswith("_encoder.backbone.0.weight")
    }
    assert negated == first
    assert all(torch.equal(found[key], before[key]) for key in before if key not in negated)


def test_of_a_transformer_two_layers_are_the_patches_and_the_first_block() -> None:
    learner = Classifier("vit_tiny")
    before = {name: p.detach().clone() for name, p in learner.named_parameters()}
    WeightNegation(layers=2).prepare(learner, SimpleNamespace())
    moved = [name for name, p in learner.named_parameters() if not torch.equal(p, before[name])]
    assert moved[0] == "backbone.conv_proj.weight"
    assert len(moved) == 2
    assert "layers.encoder_layer_0." in moved[1]


@pytest.mark.parametrize(("layers", "wanted"), [(0, "layers >= 1, got 0"), (99, "layers <= .*got 99")])
def test_wrong_settings_are_told(layers: int, wanted: str, learner: Learner) -> None:
    with pytest.raises(InputError, match=wanted):
        WeightNegation(layers).prepare(learner, SimpleNamespace())
