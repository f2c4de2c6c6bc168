"""Errors of Lightning's callbacks and of optimisers during a training, as input errors that name the option."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from unlearning_pl.errors import DivergedError, InputError, PreemptedError, StorageError

_OWN = (InputError, DivergedError, PreemptedError, StorageError, OSError, MemoryError, torch.OutOfMemoryError)
"""Errors that already say what they are, and those of the machine."""
_LIBRARIES = ("torch", "lightning", "pytorch_lightning", "lightly")
"""Libraries whose classes fail because of their settings; an error of a user's own class needs its traceback."""


@contextmanager
def explain_component_errors() -> Iterator[None]:
    """Turn an error in a library's callback, optimizer or scheduler into an input error that names it.

    Such a class is configured, and not written, by the user: its error is one of settings. Any other error propagates.

    Raises:
        InputError: If the innermost component in the traceback of an error is such a class.

    Example:
        >>> with explain_component_errors():  # doctest: +ELLIPSIS
        ...     torch.optim.SGD([torch.zeros(1)], lr=-1.0)
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected settings under optimizer with which SGD works, got: Invalid ...
    """
    try:
        yield
    except _OWN:
        raise
    except Exception as error:
        component = _failed_component(error)
        if component is None or type(component).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        raise _settings_error(component, error) from error


def constructor_error(error: BaseException) -> InputError:
    """The input error for an exception of a constructor, which the parser has wrapped.

    Example:
        >>> print(constructor_error(ValueError("Too many devices.")))
        Expected settings that fit this machine and one another, got: Too many devices. Correct the option.
    """
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    component = _failed_component(error)
    if component is not None:
        return _settings_error(component, error)
    return InputError(
        f"Expected settings that fit this machine and one another, got: {_reason(error)}. Correct the option."
    )


def _settings_error(component: Any, error: BaseException) -> InputError:
    option = "trainer.callbacks" if isinstance(component, Callback) else "optimizer"
    name = type(component).__name__
    return InputError(
        f"Expected settings under {option} with which {name} works, got: {_reason(error)}. Correct them, or leave "
        f"{name} out."
    )


def _reason(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


def _failed_component(error: BaseException) -> Any:
    """The innermost component in a traceback, if it is a callback, an optimizer or a scheduler."""
    component, traceback = None, error.__traceback__
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        if isinstance(owner, (Callback, Optimizer, LRScheduler, LightningModule, LightningDataModule)):
            component = owner
        traceback = traceback.tb_next
    return component if isinstance(component, (Callback, Optimizer, LRScheduler)) else None
