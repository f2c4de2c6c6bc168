"""Compilation of a learner's modules and of the views for the steps of a fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor
from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
from typing_extensions import override

from unlearning_pl.data.augment.views import DrawnViews, Views
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.methods import Unlearner

CompileMode = bool | Literal["graphs"]
BACKEND = "inductor"
"""Backend of torch.compile."""


class Compilation(Callback):
    """Compiles the modules and views of a fit while it runs; afterwards the learner is as it was.

    Args:
        mode: True, or ``graphs`` for CUDA graphs.
    """

    def __init__(self, mode: CompileMode) -> None:
        self.mode, self._undo = mode, ExitStack()

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self._undo.enter_context(compiled(pl_module, data.views, self.mode))  # type: ignore[arg-type]

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin_step()

    @override
    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.mode == "graphs" and trainer.accumulate_grad_batches > 1:
            for parameter in pl_module.parameters():  # the next batch's replay overwrites the memory of these gradients
                parameter.grad = None if parameter.grad is None else parameter.grad.clone()

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        self._begin_step()  # the views of the next step come before its on_train_batch_start

    def _begin_step(self) -> None:
        if self.mode == "graphs":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._undo.close()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._undo.close()  # after an exception Lightning calls no teardown


def compile_callbacks(mode: CompileMode) -> list[Callback]:
    """The callback that compiles; none without compilation.

    Raises:
        InputError: If there is no such mode.

    Example:
        >>> compile_callbacks(False)
        []
    """
    require(
        mode in (False, True, "graphs"),
        f"Expected trainer.compile = false, true or graphs, got {mode!r}. Choose one of them.",
    )
    return [Compilation(mode)] if mode else []


@contextmanager
def compiled(learner: Learner, views: Views, mode: CompileMode) -> Iterator[None]:
    """Context manager that compiles a learner's modules and the views, for calls in training mode only.

    Each module of the learner with parameters of its own, that is encoders, heads and auxiliary modules, is one graph,
    and so is what views compute of the numbers that they have drawn. Nothing of it is in a state dict or a copy.

    Args:
        learner: The learner; in evaluation mode its modules and the views are not compiled.
        views: Random views; not compiled unless they are :class:`~unlearning_pl.data.augment.views.DrawnViews`.
        mode: True, or ``graphs`` for CUDA graphs.
    """
    children = [*learner.children(), *learner.auxiliary_modules.values()]
    modules = [module for module in children if any(True for _ in module.parameters())]
    with ExitStack() as undo:
        for module in modules:
            undo.callback(setattr, module, "_compiled_call_impl", module._compiled_call_impl)
            # What nn.Module.compile sets, which copies and pickles of the module leave out.
            module._compiled_call_impl = _in_training(learner, module._call_impl, mode, type(module).__name__)
        if isinstance(views, DrawnViews):
            undo.callback(delattr, views, "transform")
            transform = _in_training(learner, views.transform, mode, type(views).__name__)
            views.transform = _on_device(transform)  # type: ignore[method-assign]
        yield


def check_compilation(trainer: Trainer, mode: CompileMode, methods: Sequence[Unlearner]) -> None:
    """Check that a run can be compiled.

    Raises:
        InputError: If trainer, device or a method exclude it.
    """
    if not mode:
        return
    chosen = "graphs" if mode == "graphs" else "true"
    strategy: Any = trainer.strategy
    excluded = [f"{type(method).__name__}" for method in methods if not method.supports_compile]
    excluded += ["fsdp"] if isinstance(strategy, FSDPStrategy) else []
    excluded += (
        ["sync_batchnorm"] if trainer.world_size > 1 and getattr(strategy, "_layer_sync", None) is not None else []
    )
    require(not excluded, f"Expected trainer.compile = false with {'/'.join(excluded)}, got {chosen}. Leave it out.")
    device, one = strategy.root_device.type, trainer.world_size == 1
    require(
        mode != "graphs" or (device == "cuda" and one),
        f"Expected trainer.compile = true or false {f'on {device}' if one else 'with several processes'}, got graphs. "
        "Choose one of them.",
    )


def _in_training(learner: Learner, function: Callable[..., Any], mode: CompileMode, name: str) -> Callable[..., Any]:
    """The function, compiled for calls while the learner is in training mode."""
    options: dict[str, Any] = {}
    if BACKEND == "inductor":  # dropout draws what it draws without compilation
        options = {"options": {"fallback_random": True, "triton.cudagraphs": mode == "graphs"}}
    graph = torch.compile(_own_code(function), fullgraph=True, dynamic=False, backend=BACKEND, **options)

    def call(*inputs: Any, **named: Any) -> Any:
        if not learner.training:
            return function(*inputs, **named)
        try:
            return graph(*inputs, **named)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"Expected a {name} that torch.compile makes one graph of with trainer.compile, got: {reason}. Leave "
                "trainer.compile out."
            ) from error

    return call


def _own_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a code object of its own: torch.compile counts recompilations, and keeps graphs, by this object.

    It belongs to this package: frames of torch's own classes, such as nn.Sequential, are not compiled, but those that
    they call, one after the other.
    """

    def graph(*inputs: Any, **named: Any) -> Any:
        return function(*inputs, **named)

    return FunctionType(graph.__code__.replace(), graph.__globals__, graph.__name__, None, graph.__closure__)


def _on_device(transform: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Views whose numbers are all on the device of the images: a graph's value must not depend on the host's."""

    def call(images: Tensor, *drawn: Tensor) -> Tensor:
        return transform(images, *(value.to(images.device, non_blocking=True) for value in drawn))

    return call
