"""Strategies by configuration, and what does not go with them."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightly.models.batchnorm import SplitBatchNorm
from lightning.pytorch.strategies import FSDPStrategy, Strategy
from open_clip.transformer import ResidualAttentionBlock
from tiny import make_data, make_learner, make_trainer
from torch import nn
from torchvision.models.vision_transformer import EncoderBlock

from unlearning_pl.distributed.batch_norm import DifferentiableSyncBatchNorm, SyncBatchNormPlugin
from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.errors import InputError
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.methods import (
    SLUG,
    SSD,
    ContrastiveUnlearning,
    CoUn,
    GradientPenalty,
    HeldOutCalibration,
    L1Sparse,
    ReGUn,
    SalUn,
    WeightDistance,
)
from unlearning_pl.training.trainer_defaults import trainer_arguments

CONFIGS = Path(__file__).parents[2] / "configs/trainer"


class Sharded(FSDPStrategy):
    """Lightning accepts no FSDP without a GPU, but does not know this one."""


def strategy_of(config: str, before: str = "", after: str = "") -> Any:
    parser = ArgumentParser()
    parser.add_subclass_arguments(Strategy, "strategy")
    given = yaml.safe_load((CONFIGS / config).read_text().replace(before, after))["trainer"]["strategy"]
    once = parser.parse_object({"strategy": given})
    again = parser.parse_string(parser.dump(once))  # as a run keeps it
    assert again == once
    return parser.instantiate_classes(again).strategy


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*deprecated.*")
def test_a_time_out_is_a_time_also_in_what_a_run_keeps() -> None:
    assert strategy_of("ddp.yaml")._timeout == timedelta(minutes=10)
    sharded = strategy_of("fsdp.yaml")
    assert sharded._timeout == timedelta(minutes=30)
    for config in ("ddp.yaml", "fsdp.yaml"):  # YAML takes 1:00:00 for a number where it is not quoted
        assert strategy_of(config, '"0:', '"1:')._timeout > timedelta(hours=1)
    assert sharded.kwargs["auto_wrap_policy"]._module_classes == {ResidualAttentionBlock, EncoderBlock}


@pytest.mark.parametrize("name", ["MoCo", "BYOL"])
def test_momentum_encoders_are_not_spread_over_processes(name: str) -> None:
    with pytest.raises(InputError, match=f"weights can be sharded over processes, got {name}.*ddp"):
        make_trainer(strategy=Sharded()).fit(make_learner(name), datamodule=make_data())


@pytest.mark.parametrize(
    ("method", "refused"),
    [
        (SalUn, True),
        (partial(SSD, selection=1.0), True),
        (GradientPenalty, True),
        (HeldOutCalibration, True),
        (L1Sparse, True),
        (ReGUn, True),
        (SLUG, True),
        (WeightDistance, True),
        (ContrastiveUnlearning, True),
        (partial(CoUn, projection_dim=8), True),
        (partial(ContrastiveUnlearning, stop=False), False),
        (CoUn, False),
    ],
)
def test_methods_that_need_whole_weights_are_refused(method: Any, refused: bool) -> None:
    assert method().supports_fsdp is not refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0}, "no trainer.gradient_clip_val with fsdp"),
        ({"compile": True}, "trainer.compile = false with fsdp"),
        ({"strategy": Sharded(state_dict_type="sharded")}, "state_dict_type full, one file"),
    ],
)
def test_settings_that_do_not_go_with_it_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_trainer(**{"strategy": Sharded(), **options}).fit(make_learner("SimCLR"), datamodule=make_data())


def test_processes_that_are_spawned_are_refused() -> None:
    with pytest.raises(InputError, match=r"strategy ddp, got ddp_spawn.*Choose ddp"):
        make_trainer(strategy="ddp_spawn", devices=2).fit(make_learner("SimCLR"), datamodule=make_data())


def test_layers_are_shared_in_place_and_come_back() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    layer, before = model[1], {name: id(value) for name, value in model.named_parameters()}
    shared = SyncBatchNormPlugin()
    shared.apply(model)
    assert type(layer) is not nn.BatchNorm1d
    x = torch.randn(5, 2)
    assert torch.equal(model(x), nn.functional.batch_norm(model[0](x), None, None, training=True))
    assert model[1] is layer
    shared.revert(model)
    assert type(layer) is nn.BatchNorm1d
    assert {name: id(value) for name, value in model.named_parameters()} == before


def test_a_layer_with_an_activation_keeps_it() -> None:
    encoder, shared, x = build_backbone("efficientnet_b0")[0].eval(), SyncBatchNormPlugin(), torch.randn(2, 3, 32, 32)
    before = encoder(x)
    shared.apply(encoder)
    assert any(type(layer) is DifferentiableSyncBatchNorm for layer in encoder.modules())
    assert torch.equal(encoder(x), before)


def test_a_layer_that_computes_otherwise_is_refused() -> None:
    with pytest.raises(InputError, match=r"norm layers of torch or timm.*got SplitBatchNorm"):
        SyncBatchNormPlugin().apply(nn.Sequential(SplitBatchNorm(4, 2)))


def test_tasks_that_are_not_as_many_as_those_of_each_node_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SLURM_JOB_NAME": "job", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "2"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() == {"devices": 2, "num_nodes": 2}
    monkeypatch.setenv("SLURM_NTASKS", "2")  # --ntasks=2 where the script has --ntasks-per-node=2
    with pytest.raises(
        InputError, match=r"--ntasks-per-node=2 on each of 2 nodes, got --ntasks=2\. Leave --ntasks out"
    ):
        launched_processes()
    monkeypatch.setenv("SLURM_NTASKS", "1")  # srun --ntasks=1 within the job
    monkeypatch.setenv("SLURM_NNODES", "1")
    assert launched_processes() == {"devices": 1, "num_nodes": 1}


def test_all_gpus_are_those_of_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """As configs/trainer/ddp.yaml under torchrun on a part of a machine: Lightning refuses another number."""
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    for said, taken in ((-1, 2), ("-1", 2), ("auto", 2), (3, 3)):
        assert trainer_arguments(None, [], 30, {"devices": said})["devices"] == taken
