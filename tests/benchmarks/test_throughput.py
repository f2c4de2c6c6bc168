"""Steps and the end of a run are timed by a clock that the test sets; the plain loops compute as the trainer does."""

import argparse
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import throughput
import torch
import unlearning_epoch
from lightning.pytorch import Callback
from torch.optim import SGD, Optimizer


@pytest.fixture
def options() -> argparse.Namespace:
    names = {"learner": "SimCLR", "backbone": "resnet9_slim", "precision": "bf16-mixed", "accelerator": "cpu"}
    return argparse.Namespace(**names, batch=8, images=32, size=8, steps=2, workers=0, beta=8.0, data=None)


class SlowEnd(Callback):
    """Steps of a second, and an end of a hundred, after the callbacks before it."""

    def __init__(self) -> None:
        self.now = 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.now += 1

    def on_train_end(self, *_: Any) -> None:
        self.now += 100


def test_the_end_of_a_run_is_no_part_of_its_steps(options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ends = SlowEnd(), list[float]()
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    assert throughput.fitted(options, False, clock, ends=ends) == options.steps
    assert ends == [100]


@pytest.mark.parametrize("module", [throughput, unlearning_epoch])
def test_plain_loops_have_the_precision_and_the_kernels_of_the_trainer(
    module: Any, options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused: list[Optimizer] = []
    tf32: list[tuple[str, bool]] = []
    convolutions: list[tuple[torch.dtype, bool]] = []
    forward = torch.nn.Conv2d.forward

    @contextmanager
    def precision(device: torch.device, value: bool) -> Any:
        tf32.append((device.type, value))
        with nullcontext():
            yield

    def convolve(self: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        output = forward(self, x)
        convolutions.append((output.dtype, self.weight.is_contiguous(memory_format=torch.channels_last)))
        return output

    monkeypatch.setattr(module, "use_fused", fused.append)
    monkeypatch.setattr(module, "cuda_precision", precision)
    monkeypatch.setattr(torch.nn.Conv2d, "forward", convolve)
    if module is throughput:
        throughput.bare(options)
    else:
        unlearning_epoch.in_tf32(options, unlearning_epoch.make_data(options))
    assert [type(optimizer) for optimizer in fused] == [SGD]
    assert tf32 == [("cpu", True)]
    assert {*convolutions} == {(torch.bfloat16, True)}
