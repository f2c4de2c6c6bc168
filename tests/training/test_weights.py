"""Weights are read from the files of other tools, and what differs from the learner is named."""

import copy
import functools
import re
import warnings
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LEARNERS, make_learner
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner, SimCLR
from unlearning_pl.learners.open_clip_towers import tower_settings
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.state_dicts import find_state_dict, strip_prefixes
from unlearning_pl.training.weights import load_weights

State = dict[str, Tensor]
KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "ema", "model_ema", "module", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "learner.")


@functools.cache
def learner_of(name: str) -> Learner:
    return make_learner(name)


@functools.cache
def open_clip_state() -> State:
    config = {**tower_settings("ViT-slim")}
    config["vision_cfg"] = {**config["vision_cfg"], "image_size": 8}
    kind = open_clip.model.CLIP
    return dict(kind(config["embed_dim"], config["vision_cfg"], config["text_cfg"]).state_dict())


def plain_state(name: str) -> State:
    return open_clip_state() if name == "open_clip" else dict(learner_of(name).state_dict())


def loaded(state: State, path: Path, name: str = "SimCLR") -> State:
    torch.save(state, path)
    learner = make_learner(name)
    load_weights(learner, path)
    return dict(learner.state_dict())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    name=st.sampled_from([*LEARNERS, "open_clip"]),
    keys=st.lists(st.sampled_from(KEYS), max_size=2),
    prefixes=st.lists(st.sampled_from(PREFIXES), max_size=3),
    inner=st.booleans(),
    half=st.booleans(),
    counters=st.booleans(),
)
def test_any_wrapper_and_prefix_gives_the_plain_weights(
    name: str, keys: list[str], prefixes: list[str], inner: bool, half: bool, counters: bool
) -> None:
    learner = learner_of("CLIP" if name == "open_clip" else name)
    plain = plain_state(name)
    wanted = match_weights(learner, plain, Path("w.pt")).state
    assert wanted.keys() == learner.state_dict().keys()
    changed: Any = {}
    for key, value in plain.items():
        if key.endswith("num_batches_tracked") and not counters:
            continue
        new = key.replace(".", "._orig_mod.", 1) if inner else key  # torch.compile of a submodule
        changed["".join(prefixes) + new] = value.half() if half and value.is_floating_point() else value
    for key in keys:
        changed = {key: changed, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    found = match_weights(learner, find_state_dict(changed, Path("w.pt")), Path("w.pt")).state
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(found[key], value.half() if half and value.is_floating_point() else value)


def test_weights_of_a_file_are_loaded_in_the_learners_own_precision(tmp_path: Path) -> None:
    state = plain_state("SimCLR")
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in state.items()}
    for name, value in loaded({"model": half, "best": torch.tensor(0.9)}, tmp_path / "w.pt").items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, half[name].to(value.dtype))


def test_the_average_of_swa_is_read_and_its_counter_left_out(tmp_path: Path) -> None:
    average = AveragedModel(nn.ModuleDict({"model": copy.deepcopy(learner_of("BYOL"))}))
    found = loaded(average.state_dict(), tmp_path / "w.pt", "BYOL")
    for name, value in plain_state("BYOL").items():
        assert torch.equal(found[name], value)


class Nested(SimCLR):
    """A learner whose own names begin like a wrapper's."""

    def __init__(self) -> None:
        super().__init__("resnet9_slim")
        self.model = nn.Linear(2, 2)
        self.backbone = torch.compile(self.backbone)


def test_a_learners_own_names_are_kept(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.compile imports deprecated modules
        learner, other = Nested(), Nested()
    state = learner.state_dict()
    assert any("_orig_mod" in name for name in state)
    for prefix, wrapper in (("", "_orig_mod."), ("module.", ""), ("model.", "_orig_mod.")):
        names = {prefix + name.replace("_orig_mod.", wrapper): value for name, value in state.items()}
        torch.save(names, tmp_path / "w.pt")
        load_weights(other, tmp_path / "w.pt")
        for name, value in other.state_dict().items():
            assert torch.equal(value, state[name])
        nn.init.zeros_(other.model.weight)


def test_names_that_become_equal_are_refused() -> None:
    state = plain_state("SimCLR")
    double = state | {"module.backbone.0.weight": torch.zeros(1)}
    with pytest.raises(
        InputError, match=r"backbone\.0\.weight and module\.backbone\.0\.weight in w\.pt, which are equal"
    ):
        match_weights(learner_of("SimCLR"), double, Path("w.pt"))
    clip = open_clip_state()
    both = clip | {"text.token_embedding.weight": clip["token_embedding.weight"]}
    with pytest.raises(InputError, match=r"one tensor for text_encoder\.token_embedding\.weight"):
        match_weights(learner_of("CLIP"), both, Path("w.pt"))


def test_names_that_fit_as_they_are_are_not_stripped() -> None:
    state = {"a": 1, "model.a": 2}
    assert strip_prefixes(state, Path("w.pt"), lambda names: len({*names} ^ {*state})) == state


def test_prefixes_are_stripped_without_a_learner() -> None:
    def differences(names: object) -> int:
        return len({*names} ^ {"a", "b"})  # type: ignore[misc]

    assert strip_prefixes({"module.a": 1, "b": 2}, Path("w.pt"), differences) == {"a": 1, "b": 2}
    assert strip_prefixes({"model.module.a": 1, "criterion.c": 2}, Path("w.pt"), differences) == {
        "a": 1,
        "criterion.c": 2,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"model": s, "model_ema": s}, "Expected one set of weights, got {} with model and model_ema."),
        (lambda s: {"a": s, "b": s}, "with a and b. Save the one"),
        (lambda s: {"state_dict": {"model": s, "ema": s}}, "with state_dict.model and state_dict.ema."),
        (lambda s: {"epoch": 3, "loss": 0.1}, "with a state_dict, got {} without one, but with epoch, loss."),
        (lambda s: {}, "without one, but with nothing."),
        (lambda s: [*s.values()], "Expected weights by name, got {} with list."),
        (lambda s: s["backbone.0.weight"], "Expected weights by name, got {} with Tensor."),
        (lambda s: {"state_dict": {}}, "70 are missing (backbone.0.weight, backbone.1.weight, backbone.1.bias, ...)"),
        (lambda s: s | {"epoch": 3}, "Expected tensors alone in {}, got int as epoch."),
        (lambda s: {"state_dict": s | {"extra": [1]}}, "Expected tensors alone in {}, got list as extra."),
        (lambda s: {"state_dict": {1: torch.ones(1)}}, "Expected weights by name in {}, got the key 1."),
        (lambda s: s | {"fc.weight": torch.ones(2)}, "with other names: 1 is superfluous (fc.weight)."),
        (lambda s: s | {"auxiliary_modules.x": torch.ones(2)}, "1 is superfluous (auxiliary_modules.x)"),
        (lambda s: s | {"\x1b[2J\n": torch.ones(2)}, r"1 is superfluous (\x1b[2J\n)"),
        (lambda s: {n: v for n, v in s.items() if n != "backbone.1.bias"}, "1 is missing (backbone.1.bias)"),
        (
            lambda s: {n.replace("backbone.", "encoder."): v for n, v in s.items()},
            "(encoder.0.weight, encoder.1.weight, encoder.1.bias, ...): 'encoder.' where the model has 'backbone.'",
        ),
        (
            lambda s: s | {"backbone.0.weight": torch.ones(2, 3)},
            "another architecture: backbone.0.weight has the shape (2, 3) in place of (16, 3, 3, 3).",
        ),
        (lambda s: {n: v.reshape(-1, 1) for n, v in s.items()}, "in place of (16, 3, 3, 3), and 83 others differ"),
        (
            lambda s: s | {"backbone.0.weight": s["backbone.0.weight"].char()},
            "backbone.0.weight is torch.int8 in place of torch.float32. Save unquantised weights.",
        ),
        (lambda s: s | {"backbone.0.weight": torch.ones(16, 3, 3, 3).to_sparse()}, "Expected dense tensors with"),
        (lambda s: {f"x.{n}": v for n, v in s.items()}, "'x.' where the model has ''"),
        (
            lambda s: {f"n{i}.y" if i else "q.bn1.bias": torch.ones(1) for i in range(9)},
            "(q.bn1.bias, n1.y, n2.y, ...). Give",  # one name in nine is alike: no prefix differs
        ),
        (lambda s: s | {"backbone.0.weight": torch.ones(16, 3, 3, 3, device="meta")}, "on meta, as backbone.0.weight"),
        (
            lambda s: s | {"backbone.0.weight": torch.full((16, 3, 3, 3), 1e300, dtype=torch.float64)},
            "NaN or infinity in backbone.0.weight",
        ),
        (lambda s: Counter(a=1), "without one, but with a."),
        (lambda s: OrderedDict(model=OrderedDict(a=1)), "without one, but with model."),
    ],
)
def test_what_differs_is_named_in_one_line(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(change(plain_state("SimCLR")), path)
    with pytest.raises(InputError, match=re.escape(message.replace("{}", str(path)))) as caught:
        load_weights(make_learner("SimCLR"), path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused() -> None:
    state = plain_state("SimCLR") | {"backbone.0.weight": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}
    with pytest.raises(InputError, match="Expected dense tensors"):
        match_weights(learner_of("SimCLR"), state, Path("w.pt"))


def test_the_obvious_weights_come_before_others(tmp_path: Path) -> None:
    state = plain_state("SimCLR")
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    found = loaded({"state_dict_ema": other, "model": other, "state_dict": state}, tmp_path / "w.pt")
    assert all(torch.equal(found[name], value) for name, value in state.items())
    found = loaded({"encoder": state, "optimizer": {"state": {0: {"momentum": torch.ones(1)}}}}, tmp_path / "w.pt")
    assert all(torch.equal(found[name], value) for name, value in state.items())
