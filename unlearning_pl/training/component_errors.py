"""Errors of Lightning's callbacks and of optimisers during a training, as input errors that name the option."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.strategies import Strategy
from torch import distributed, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from unlearning_pl.errors import DivergedError, InputError, PreemptedError, StorageError, reason

_MACHINE = (OSError, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
_PEERS = (distributed.DistError,) if distributed.is_available() else ()
_OWN = (InputError, DivergedError, PreemptedError, StorageError, *_MACHINE, *_PEERS)
"""Errors that already say what they are, and those of the machine and of other processes."""
_MACHINE_TEXT = re.compile(
    r"gloo|nccl|(cuda|hip|cudnn|cublas|mps)( backend)? (error|out of memory)|cu(blas|dnn|solver|sparse)_status"
    r"|connection (closed|reset|refused)",
    re.IGNORECASE,
)
"""What a RuntimeError says that is one of the machine or of another process too."""
_LIBRARIES = ("torch", "lightning", "pytorch_lightning", "lightly")
"""Libraries whose classes fail because of their settings; an error of a user's own class needs its traceback."""
_CONFIGURED = (Callback, Optimizer, LRScheduler)


@contextmanager
def explain_component_errors() -> Iterator[None]:
    """Turn an error in a library's callback, optimizer or scheduler into an input error that names it.

    Such a class is configured, and not written, by the user: its error is one of settings. Any other error propagates:
    of the machine or of another process, and of a function that such a class calls, as the closure of a step.

    Raises:
        InputError: If such a class is the innermost in the traceback of an error, which no callback
            of the user's own has called.

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
        owners = _owners(error)
        component = owners[-1] if owners else None
        if (
            (isinstance(error, RuntimeError) and _MACHINE_TEXT.search(str(error)))
            or _package(component) not in _LIBRARIES
            or any(_package(owner) not in (*_LIBRARIES, "unlearning_pl") for owner in owners if owner is not None)
        ):
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
    owners = _owners(error)
    if (component := owners[-1] if owners else None) is not None:
        return _settings_error(component, error)
    return InputError(
        f"Expected settings that fit this machine and one another, got: {reason(error)}. Correct the option."
    )


def _settings_error(component: Any, error: BaseException) -> InputError:
    option = "trainer.callbacks" if isinstance(component, Callback) else "optimizer"
    name = type(component).__name__
    return InputError(
        f"Expected settings under {option} with which {name} works, got: {reason(error)}. Correct them, or leave "
        f"{name} out."
    )


def _owners(error: BaseException) -> list[Any]:
    """Callbacks, optimizers and schedulers of a traceback, the innermost last; None for any other code between them."""
    owners: list[Any] = []
    traceback = error.__traceback__
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        package = str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if isinstance(owner, _CONFIGURED):
            owners.append(owner)
        elif isinstance(owner, (nn.Module, Strategy, LightningDataModule)) or (
            package not in _LIBRARIES and package not in sys.stdlib_module_names
        ):
            owners.append(None)
        traceback = traceback.tb_next
    return owners


def _package(component: Any) -> str:
    return type(component).__module__.partition(".")[0]
