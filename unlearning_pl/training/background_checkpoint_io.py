"""Checkpoints that a thread writes while training continues."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO


class BackgroundCheckpointIO(AtomicCheckpointIO):
    """Atomic checkpoints; those saved within :meth:`in_background` are written by a thread.

    The calling thread only copies the tensors to the memory of the CPU; on CUDA the copies are queued behind the
    kernels of the step and the writing thread waits for them. One write runs at a time: any other save waits for it.

    Lightning's ``AsyncCheckpointIO`` makes all checkpoints asynchronous, copies tensors on the device, and raises the
    error of a write only after the next one was started.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.ckpt"
        >>> writer, weight = BackgroundCheckpointIO(), torch.zeros(2)
        >>> with writer.in_background():
        ...     writer.save_checkpoint({"weight": weight}, path)
        >>> _ = weight.add_(1)  # the next step
        >>> writer.wait()
        >>> torch.load(path, weights_only=True)
        {'weight': tensor([0., 0.])}
    """

    def __init__(self) -> None:
        self._pending: Future[None] | None = None
        self._in_background = False

    @property
    def is_writing(self) -> bool:
        """Whether a write is not complete yet."""
        return self._pending is not None and not self._pending.done()

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Context in which a checkpoint is saved without waiting for the disk."""
        self._in_background = True
        try:
            yield
        finally:
            self._in_background = False

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        self.wait()
        if not self._in_background:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        copied = _snapshot(checkpoint, {})
        event = _record_event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending = executor.submit(self._write, copied, Path(path), event)
        executor.shutdown(wait=False)  # the thread ends with this write

    def wait(self) -> None:
        """Wait for the pending write.

        Raises:
            StorageError: If it failed.
        """
        pending = self._pending
        if pending is None:
            return
        try:
            pending.result()
        finally:
            if pending.done():  # else Ctrl-C interrupted the wait, and the thread still writes
                self._pending = None

    def check(self) -> None:
        """Raise the error of a write that has failed; does not wait for a pending one.

        Raises:
            StorageError: If it failed.
        """
        if self._pending is not None and self._pending.done():
            self.wait()

    def _write(self, checkpoint: dict[str, Any], path: Path, event: "torch.cuda.Event | None") -> None:
        if event is not None:
            event.synchronize()
        super().save_checkpoint(checkpoint, path)


@contextmanager
def finished_writes(trainer: Trainer) -> Iterator[None]:
    """Wait after an exception for the checkpoint that a trainer is writing, and warn if that failed.

    The run folder stays locked meanwhile. A run that ends without an exception has waited already.
    """
    writer = trainer.strategy.checkpoint_io
    try:
        yield
    except BaseException:
        while isinstance(writer, BackgroundCheckpointIO):
            try:
                writer.wait()
            except KeyboardInterrupt:
                continue  # the folder must not be given away, or restored, while the thread writes to it
            except Exception as failure:
                rank_zero_warn(f"The last checkpoint of this run was not written. {failure}")
            break
        raise


def _snapshot(value: Any, copies: dict[Any, Any]) -> Any:
    """A copy of all that a step changes in place: tensors, dictionaries with their attributes, lists, sets.

    Args:
        value: A part of a checkpoint.
        copies: Copies by the identity of what was copied: tensors that are the same memory have one copy.
    """
    key = _identity(value)
    if key in copies:
        return copies[key]
    made: Any = value
    if isinstance(value, Tensor):
        made = _on_host(value)
    elif isinstance(value, dict):
        made = copy(value)  # with its class, and the versions of modules that a state dict has as an attribute
        made.update({key: _snapshot(item, copies) for key, item in value.items()})
    elif type(value) in (list, tuple):
        made = type(value)(_snapshot(item, copies) for item in value)
    elif isinstance(value, set | bytearray | list):
        made = copy(value)
    copies[key] = made
    return made


def _identity(value: Any) -> Any:
    if isinstance(value, Tensor) and value.layout == torch.strided:
        memory = value.untyped_storage().data_ptr(), value.storage_offset()
        return value.device, value.dtype, tuple(value.shape), value.stride(), *memory
    return id(value)


def _on_host(value: Tensor) -> Tensor:
    """A copy in the memory of the CPU with the same strides; from CUDA into pinned memory, without waiting."""
    if value.device.type != "cuda" or value.layout != torch.strided:
        return value.detach().to("cpu", copy=True)
    host = torch.empty_like(value, device="cpu", pin_memory=True, requires_grad=False)
    return host.copy_(value.detach(), non_blocking=True)


def _record_event() -> "torch.cuda.Event | None":
    """An event behind all copies from CUDA that are queued now."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return event
