"""Errors of the machine, of other processes and of a user's own code are none of a configured class's settings."""

from typing import Any
from unittest import mock

import pytest
import torch
from lightning.pytorch import Callback

from unlearning_pl.errors import InputError
from unlearning_pl.training.component_errors import explain_component_errors


class Network(torch.nn.Module):
    def forward(self) -> None:
        raise ValueError("of the network")


def bug() -> None:
    raise KeyError("a bug")


class Misuses(Callback):
    """A user's own class that uses a library's in a wrong way."""

    def on_train_start(self, *_: Any) -> None:
        step().load_state_dict({"param_groups": []})


def step(closure: Any = None) -> Any:
    weight = torch.nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.step(closure)
    return optimizer


@pytest.mark.parametrize("fails", [lambda: step(Network()), lambda: step(bug), Misuses().on_train_start])
def test_an_error_of_other_code_keeps_its_traceback(fails: Any) -> None:
    with pytest.raises(Exception) as caught, explain_component_errors():  # noqa: PT011 - any but InputError
        fails()
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.2]:5000"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("NCCL communicator was aborted on rank 1."),
        torch.AcceleratorError("device-side assert triggered"),
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.distributed.DistBackendError("of a peer"),
        torch.distributed.DistNetworkError("of a peer"),
    ],
)
def test_an_error_of_the_machine_or_a_peer_is_none_of_settings(error: Exception) -> None:
    with (
        mock.patch("torch.optim.sgd.sgd", side_effect=error),
        pytest.raises(type(error)) as caught,
        explain_component_errors(),
    ):
        step()
    assert caught.value is error
    with (
        mock.patch("torch.optim.sgd.sgd", side_effect=RuntimeError("params on cpu, not ['cuda']")),
        pytest.raises(InputError, match="with which SGD works, got: params on cpu"),
        explain_component_errors(),
    ):
        step()
