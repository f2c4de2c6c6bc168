"""Fused optimisers: when they are chosen, and that a resumed run keeps the kernel that it had."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import Asked, same
from lightning.fabric.plugins.precision.amp import _optimizer_handles_unscaling
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from tiny import make_data, make_learner, make_trainer
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from unlearning_pl.errors import PreemptedError
from unlearning_pl.learners import Learner, fused_optimizer
from unlearning_pl.learners.fused_optimizer import use_fused


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU stands for CUDA: torch has fused kernels for both."""
    monkeypatch.setattr(fused_optimizer, "FUSED_DEVICES", ("cpu",))


def weight(**options: Any) -> nn.Parameter:
    return nn.Parameter(torch.ones(2, 3, 2, 2, **options))


def flags(optimizer: Optimizer) -> list[bool | None]:
    return [group["fused"] for group in optimizer.param_groups]


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_every_group_is_fused(kind: type[Optimizer]) -> None:
    optimizer = kind([{"params": [weight()]}, {"params": [weight()], "weight_decay": 0.0}])
    use_fused(optimizer)
    assert flags(optimizer) == [True, True]
    assert not _optimizer_handles_unscaling(optimizer)  # Lightning unscales and clips 16-bit gradients as before


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (SGD([weight()], foreach=False), None),
        (SGD([weight()], foreach=True), None),
        (SGD([weight()], fused=False), False),
        (SGD([{"params": [weight()], "foreach": True}, {"params": [weight()]}]), None),
        (Adam([weight()], differentiable=True), None),
        (Adam([weight(dtype=torch.complex64)]), None),
        (Adagrad([weight()]), None),
        (type("Own", (SGD,), {})([weight()]), None),
    ],
)
def test_the_users_choice_and_what_no_kernel_takes_stay(optimizer: Optimizer, expected: bool | None) -> None:
    use_fused(optimizer)
    assert set(flags(optimizer)) == {expected}


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("sparse", [True, False])
def test_a_model_with_sparse_gradients_keeps_a_loop(sparse: bool) -> None:
    """No fused kernel takes them."""
    learner = make_learner("SimCLR")
    learner.optimize_with(partial(SGD, lr=0.1))
    learner.auxiliary_modules["table"] = nn.Embedding(2, 2, sparse=sparse)
    make_trainer(max_epochs=1, callbacks=[seen := Flags()]).fit(learner, datamodule=make_data())
    assert seen.seen == {None if sparse else True}


def test_a_cpu_keeps_its_loop() -> None:
    optimizer = SGD([weight()])
    use_fused(optimizer)
    assert flags(optimizer) == [None]


@pytest.mark.usefixtures("on_cpu")
def test_restored_momenta_get_the_strides_of_their_parameters() -> None:
    """A run that goes on in another memory format: the kernel would pair the wrong numbers."""

    def steps(memory: torch.memory_format, state: Any, fused: bool) -> tuple[torch.Tensor, Any]:
        parameter = nn.Parameter(torch.ones(2, 3, 2, 2).to(memory_format=memory))
        optimizer = SGD([parameter], lr=0.1, momentum=0.9, foreach=None if fused else False)
        use_fused(optimizer)
        if state is not None:
            optimizer.load_state_dict(state)
        parameter.grad = torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=memory)
        optimizer.step()
        return parameter.detach(), optimizer.state_dict()

    for fused in (False, True):
        _, state = steps(torch.contiguous_format, None, fused)
        after, _ = steps(torch.channels_last, state, fused)
        torch.testing.assert_close(after, 1 - 0.1 * 1.9 * torch.arange(24.0).view(2, 3, 2, 2))


class Flags(Callback):
    """The flags of the optimiser at each step."""

    def __init__(self) -> None:
        self.seen: set[bool | None] = set()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.seen |= set(flags(optimizer))


def train(run: Path | None, *callbacks: Callback, **options: Any) -> tuple[Learner, set[bool | None]]:
    ckpt_path, seen = options.pop("ckpt_path", None), Flags()
    seed_everything(0, verbose=False)
    learner = make_learner("MoCo")
    learner.optimize_with(partial(AdamW, lr=0.01), "cosine")
    trainer = make_trainer(run, **{"max_epochs": 3, **options}, callbacks=[seen, *callbacks])
    trainer.fit(learner, datamodule=make_data(batch_size=8), ckpt_path=ckpt_path)
    return learner, seen.seen


@pytest.mark.parametrize(("first", "then"), [((), ("cpu",)), (("cpu",), ()), (("cpu",), ("cpu",))])
def test_a_resumed_run_keeps_its_kernel_bit_for_bit(
    first: tuple[str, ...], then: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_optimizer, "FUSED_DEVICES", first)
    unbroken, used = train(None)
    assert used == {True if first else None}
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", Asked(7))
    monkeypatch.setattr(fused_optimizer, "FUSED_DEVICES", then)
    resumed, resumed_used = train(tmp_path / "run", ckpt_path="last")
    assert resumed_used == used
    assert same(unbroken, resumed)


def test_the_kernels_round_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the comparison of bits above tells them apart; in float32 they agree to rounding."""
    loop, _ = train(None, max_epochs=1)
    monkeypatch.setattr(fused_optimizer, "FUSED_DEVICES", ("cpu",))
    fused, _ = train(None, max_epochs=1)
    assert not same(loop, fused)
    for one, other in zip(loop.parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
