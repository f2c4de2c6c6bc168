"""Which parameters an optimiser decays, by an independent rule and by what becomes of them."""

from functools import partial
from typing import Any

import pytest
import torch
from lightly.utils.lars import LARS
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer
from torch import Tensor, nn, optim

from unlearning_pl.errors import InputError
from unlearning_pl.learners import CLIP, Learner
from unlearning_pl.learners.parameter_groups import parameter_dimensions, parameter_groups
from unlearning_pl.methods import CoUn


class Groups(Callback):
    """Names and weight decay of the parameters of each group of the optimiser."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        names = {parameter: name for name, parameter in pl_module.named_parameters()}
        groups = trainer.optimizers[0].param_groups
        self.decays = [group.get("weight_decay") for group in groups]
        self.names = [[names[parameter] for parameter in group["params"]] for group in groups]


def groups_of(learner: Learner, optimizer: Any = None, on: Any = None, **job: Any) -> Groups:
    learner.optimize_with(optimizer or partial(optim.AdamW, lr=1e-3, weight_decay=0.1), weight_decay_on=on)
    found = Groups()
    make_trainer(max_epochs=1, limit_train_batches=1, callbacks=[found]).fit(learner, datamodule=make_data())
    return found


def not_decayed(learner: nn.Module) -> set[str]:
    """The rule of open_clip's training, `exclude` in its main.py."""
    return {
        name
        for name, parameter in learner.named_parameters()
        if parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
    }


@pytest.mark.parametrize("model", ["RN-slim", "ViT-slim"])
def test_clip_decays_what_open_clip_decays(model: str) -> None:
    learner = CLIP(model, image_size=8 if model == "ViT-slim" else None)
    decayed, others = parameter_groups(learner, parameter_dimensions(learner), learner.weight_decay_on)
    assert others["weight_decay"] == 0.0
    names = {parameter: name for name, parameter in learner.named_parameters()}
    assert {names[parameter] for parameter in others["params"]} == not_decayed(learner)
    assert "logit_scale" in not_decayed(learner)
    assert {names[parameter] for parameter in decayed["params"]} == {*names.values()} - not_decayed(learner)


def test_the_default_of_clip_reaches_the_optimiser_and_the_others_decay_all() -> None:
    clip = make_learner("CLIP")
    found = groups_of(clip)
    assert found.decays == [0.1, 0.0]
    assert set(found.names[1]) == not_decayed(clip)
    assert groups_of(make_learner("CLIP"), on="all").decays == [0.1]
    assert groups_of(make_learner("SimCLR")).decays == [0.1]
    assert groups_of(make_learner("SimCLR"), on="matrices").decays == [0.1, 0.0]


def test_decay_alone_shrinks_matrices_and_nothing_else() -> None:
    learner = make_learner("CLIP")
    learner.optimize_with(partial(optim.SGD, lr=0.5, weight_decay=0.1))
    learner.objective = lambda module, batch: 0.0 * sum(parameter.sum() for parameter in module.parameters())
    before = {name: parameter.detach().clone() for name, parameter in learner.named_parameters()}
    make_trainer(max_epochs=1, limit_train_batches=1).fit(learner, datamodule=make_data())
    for name, parameter in learner.named_parameters():
        torch.testing.assert_close(parameter, before[name] * (0.95 if before[name].ndim > 1 else 1.0))


def test_frozen_parameters_are_in_no_group_and_no_group_is_empty() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    groups: Any = partial(parameter_groups, module, parameter_dimensions(module))
    module[0].requires_grad_(False)
    (only,) = groups("matrices")
    assert (only["weight_decay"], only["params"]) == (0.0, [*module[1].parameters()])
    assert groups("all") == [*module[1].parameters()]
    module.requires_grad_(False)[0].weight.requires_grad_(True)
    assert groups("matrices") == [{"params": [module[0].weight]}]


def test_modules_that_a_method_adds_are_grouped_too(tmp_path: Any) -> None:
    learner, data, found = make_learner("Classifier"), make_data(), Groups()
    make_trainer(tmp_path / "original", max_epochs=1).fit(learner, datamodule=data)
    learner.optimize_with(partial(optim.SGD, lr=0.01, weight_decay=0.1), weight_decay_on="matrices")
    trainer = make_trainer(max_epochs=1, callbacks=[found])
    trainer.unlearn(learner, data, str(tmp_path / "original"), plugins=[CoUn(projection_dim=8)])
    added = [{name for name in names if name.startswith("auxiliary_modules.")} for names in found.names]
    assert all(added)
    assert all(name.endswith("weight") for name in added[0])


@pytest.mark.parametrize("name", ["_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_a_flattened_shard_is_what_it_was_before(name: str) -> None:
    """FSDP shows each parameter as a shard of one dimension under a longer name; torch keeps the order."""
    module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    dimensions = parameter_dimensions(module)
    shards = nn.Module()
    for index, part in enumerate(module):
        flat = nn.Module()
        for own, parameter in part.named_parameters():
            flat.register_parameter(own, nn.Parameter(parameter.detach().flatten()[:1]))
        shards.add_module(str(index), nn.Module())
        shards.get_submodule(str(index)).add_module(name, flat)
    decayed, others = parameter_groups(shards, dimensions, "matrices")
    assert decayed["params"] == [shards.get_parameter(f"0.{name}.weight")]
    assert len(others["params"]) == 3


def test_a_learner_that_hides_its_shapes_is_told_how_to_show_them() -> None:
    class Hides(CLIP):
        def setup(self, stage: str) -> None:
            """Without that of the base class."""

    learner = Hides("ViT-slim", image_size=8)
    with pytest.raises(InputError, match=r'matrices"`, got logit_scale\. Call super\(\)\.setup\(stage\) in .* Hides'):
        groups_of(learner)
    assert groups_of(learner, on="all").decays == [0.1]


OPTIMIZERS = [
    *(optim.SGD, optim.Adam, optim.AdamW, optim.Adafactor, optim.Adagrad, optim.Adadelta, optim.Adamax, optim.ASGD),
    *(optim.NAdam, optim.RAdam, optim.RMSprop, optim.Rprop, optim.LBFGS, LARS),
]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimiser_trains_with_its_matrices_decayed_and_without_decay(kind: Any) -> None:
    has_decay = kind not in (optim.Rprop, optim.LBFGS)
    settings = {"weight_decay": 0.1} if has_decay else {"max_iter": 2} if kind is optim.LBFGS else {}
    learner = make_learner("CLIP")
    learner.optimize_with(partial(kind, lr=1e-3, **settings), "cosine", warmup_steps=1)
    found = Groups()
    trainer = make_trainer(max_epochs=1, limit_train_batches=3, callbacks=[found], channels_last=False)
    trainer.fit(learner, datamodule=make_data())
    assert found.decays == ([0.1, 0.0] if has_decay else [None])


def test_lars_scales_the_rate_of_decayed_parameters_alone() -> None:
    """Lightly leaves parameters without weight decay to SGD, as SimCLR and BYOL do; docs/optimizers.md says so."""
    module = nn.Linear(2, 2)
    groups = parameter_groups(module, parameter_dimensions(module), "matrices")
    before = [parameter.detach().clone() for parameter in (module.weight, module.bias)]
    optimizer = LARS(groups, lr=1.0, weight_decay=1e-6)
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    moved: list[Tensor] = [old - new.detach() for old, new in zip(before, (module.weight, module.bias), strict=True)]
    torch.testing.assert_close(moved[1], torch.full((2,), 0.5))
    assert float(moved[0].norm() / before[0].norm()) == pytest.approx(0.001, rel=1e-3)  # the trust coefficient
