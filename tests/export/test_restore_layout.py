"""A file's own tensors come back, whatever it is called, and only what changed differs."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from learners.foreign_models import (
    FOREIGN,
    SLOW,
    Foreign,
    alignment_calibration_moco,
    moco_v2,
    solo_learn_simclr,
    torchvision_classifier,
)
from torch import Tensor
from torchvision.models import resnet18

from unlearning_pl.errors import InputError
from unlearning_pl.export.restore_layout import RestoredFile, convert, restore_layout
from unlearning_pl.learners import CLIP, Classifier, Learner, SimCLR
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.state_dicts import find_state_dict

FILE = Path("w.pt")
QUICK = (torchvision_classifier, solo_learn_simclr, moco_v2)
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
EVERY = [
    pytest.param(
        make,
        dtype,
        id=f"{make.__name__}-{dtype}",
        marks=[] if (make, dtype) in zip(QUICK, DTYPES[1:], strict=True) else pytest.mark.slow,
    )
    for make in (*FOREIGN, *SLOW)
    for dtype in DTYPES
]


def loaded(learner: Learner, content: Any) -> Learner:
    state = match_weights(learner, find_state_dict(content, FILE), FILE).state
    learner.load_state_dict(state)
    return learner


def halved(content: Any, dtype: torch.dtype) -> Any:
    if isinstance(content, Tensor):
        more = 1 + 1e-12 if dtype == torch.float64 else 1  # bits that a float32 does not have
        return content.to(dtype) * more if content.is_floating_point() else content
    return {key: halved(value, dtype) for key, value in content.items()} if isinstance(content, dict) else content


@pytest.mark.parametrize(("make", "dtype"), EVERY)
def test_without_a_step_every_tensor_is_the_files(make: Callable[[], Foreign], dtype: torch.dtype) -> None:
    foreign = make()
    content = halved(dict(foreign.state), dtype)
    restored = restore_layout(loaded(foreign.learner(), content), content, FILE)
    before, after = find_state_dict(content, FILE), find_state_dict(restored.content, FILE)
    assert [*after] == [*before]
    for name, value in before.items():
        assert after[name].dtype == value.dtype
        assert torch.equal(after[name], value), name
    assert set(content) - set(restored.content) <= {"optimizer"}


def changed(content: Any, learner: Learner, *names: str) -> RestoredFile:
    loaded(learner, content)
    with torch.no_grad():
        for name in names:
            learner.state_dict()[name].add_(1)
    return restore_layout(learner, content, FILE)


def test_only_what_changed_differs() -> None:
    content = solo_learn_simclr().state
    names = ("backbone.layer1.0.conv1.weight", "projection_head.layers.2.bias")
    learner = SimCLR("solo-learn/resnet18", projection_dim=64, projection_head="mlp", hidden_dim=256)
    after = changed(content, learner, *names).content["state_dict"]
    before = content["state_dict"]
    differing = [name for name in before if not torch.equal(before[name], after[name])]
    assert differing == ["backbone.layer1.0.conv1.weight", "projector.2.bias"]
    for name in differing:
        torch.testing.assert_close(after[name], before[name] + 1)


def test_moco_writes_its_queue_as_the_file_has_it() -> None:
    foreign = moco_v2()
    learner = loaded(foreign.learner(), foreign.state)
    keys = torch.randn(128, 64)
    learner.state_dict()["queue.keys"].copy_(keys)
    restored = restore_layout(learner, foreign.state, FILE)
    assert torch.equal(restored.weights["module.queue"], keys.T)
    assert restored.copied == ["module.queue_ptr"]
    assert restored.left_out == ["optimizer"]


def test_groups_of_batch_normalisation_get_the_statistics_of_all_rows() -> None:
    foreign = alignment_calibration_moco()
    name = "backbone.1.running_mean"
    before = foreign.state["state_dict"][name].uniform_()
    restored = changed(foreign.state, foreign.learner(), name)
    torch.testing.assert_close(restored.weights[name], (before.view(8, -1).mean(0) + 1).repeat(8))
    assert torch.equal(
        restored.weights["backbone.1.running_var"], foreign.state["state_dict"]["backbone.1.running_var"]
    )


def test_what_the_file_does_not_have_is_not_written() -> None:
    foreign = moco_v2()
    state = {name: value for name, value in foreign.state["state_dict"].items() if "queue" not in name}
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    restored = restore_layout(loaded(foreign.learner(), state), state, FILE)
    assert [*restored.weights] == [*state]


def test_classifiers_beside_the_model_are_copied() -> None:
    content = solo_learn_simclr().state
    learner = SimCLR("solo-learn/resnet18", projection_dim=64, projection_head="mlp", hidden_dim=256)
    restored = changed(content, learner, "projection_head.layers.0.bias")
    assert restored.copied == ["classifier.weight", "classifier.bias"]
    assert torch.equal(restored.weights["classifier.weight"], content["state_dict"]["classifier.weight"])


def test_settings_stay_and_states_of_the_training_do_not() -> None:
    model = resnet18(num_classes=3)
    state = OrderedDict(model.state_dict())
    state._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    content = {
        "epoch": 4,
        "hyper_parameters": {"lr": [0.1, 0.01], "optimizer": "sgd"},
        "state_dict": state,
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(3)}}}],
        "lr_schedulers": [{"last_epoch": 4}],
        "callbacks": {"ModelCheckpoint": {"best": 1.0}},
        "ema": {name: value + 1 for name, value in model.state_dict().items()},
    }
    restored = restore_layout(loaded(Classifier("torchvision/resnet18", 3), content), content, FILE)
    assert [*restored.content] == ["epoch", "hyper_parameters", "state_dict"]
    assert restored.left_out == ["optimizer_states", "lr_schedulers", "callbacks", "ema"]
    assert restored.content["state_dict"]._metadata == {"": {"version": 2}}
    assert restored.content["hyper_parameters"] == content["hyper_parameters"]


def test_a_number_of_open_clip_keeps_its_shape() -> None:
    learner = CLIP("ViT-slim")
    names = {"backbone": "visual", "text_encoder": "text"}
    parts = ((name.partition("."), value) for name, value in learner.state_dict().items())
    state = {names.get(first, first) + dot + rest: value for (first, dot, rest), value in parts}
    state["logit_scale"] = state["logit_scale"].squeeze()
    restored = restore_layout(learner, state, FILE)
    assert restored.weights["logit_scale"].shape == ()


def test_two_names_of_one_tensor_get_the_same_value() -> None:
    state = dict(resnet18(num_classes=3).state_dict())
    state["layer1.0.bn1.bias"] = state["layer1.0.bn2.bias"]
    learner = Classifier("torchvision/resnet18", num_classes=3)
    restored = changed(state, learner, "backbone.layer1.0.bn1.bias", "backbone.layer1.0.bn2.bias")
    assert restored.copied == []
    assert torch.equal(restored.weights["layer1.0.bn1.bias"], state["layer1.0.bn1.bias"] + 1)


def test_a_weight_that_half_precision_cannot_hold_is_refused() -> None:
    content = halved(dict(resnet18(num_classes=3).state_dict()), torch.float16)
    learner = loaded(Classifier("torchvision/resnet18", num_classes=3), content)
    learner.state_dict()["head.bias"][0] = 1e6
    with pytest.raises(InputError, match=r"that float16 can hold, got 1e\+06 in fc\.bias\. Give `dtype"):
        restore_layout(learner, content, FILE)


def test_infinite_values_that_stay_are_no_overflow() -> None:
    """The mask of an attention has them."""
    mask = torch.tensor([0.0, -torch.inf])
    assert torch.equal(convert(mask, torch.float32, "mask"), mask)
    with pytest.raises(InputError, match="that float16 can hold"):
        convert(torch.tensor([1e6]), torch.float16, "mask")


@pytest.mark.parametrize("classes", [2, 4])
def test_another_architecture_is_refused(classes: int) -> None:
    content = resnet18(num_classes=classes).state_dict()
    with pytest.raises(InputError, match=r"own Classifier, got w\.pt: head\.weight has the shape .*Give the file"):
        restore_layout(Classifier("torchvision/resnet18", num_classes=3), content, FILE)
    with pytest.raises(InputError, match=r"own SimCLR, got w\.pt: .* missing"):
        restore_layout(SimCLR("torchvision/resnet18"), content, FILE)


class Fused(Classifier):
    """A learner that converts weights itself, so that no tensor of a file is a weight of its own."""

    def weights(self, state: Any) -> dict[str, Tensor]:
        return {name: value * 2 if name == "head.bias" else value for name, value in state.items()}


def test_weights_that_a_learner_computes_itself_are_never_taken_from_the_file() -> None:
    content = resnet18(num_classes=3).state_dict()
    learner = Fused("torchvision/resnet18", num_classes=3)
    with pytest.raises(InputError, match=r"one tensor for each weight .* number for head\.bias\. Export with `names"):
        restore_layout(learner, content, FILE)
