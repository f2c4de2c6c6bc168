"""Handling of the signals that ask a run to end."""

import signal
from types import FrameType
from typing import Any

from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from unlearning_pl.training.last_checkpoint import LastCheckpoint


class SignalHandler(_SignalConnector):
    """Records SIGTERM and SIGUSR1 during a fit; :class:`LastCheckpoint` reacts between two steps.

    An evaluation keeps nothing, so that SIGTERM ends it at once; Lightning's handler would only record the signal.

    Lightning's own handlers call collectives and save a checkpoint at whatever instruction the signal interrupts: in
    the middle of a step, and at a different one in each process. A fit without :class:`LastCheckpoint`, for instance
    an audit's, ends after the step with Lightning's own exception.

    Attributes:
        received_signal: Number of the received signal, 0 if none was received; the largest if there were several.
    """

    received_signal = 0

    @override
    def register_signal_handlers(self) -> None:
        self._original_handlers = self._get_current_signal_handlers()
        self.received_signal, self.received_sigterm = 0, False
        if self.trainer.state.fn != TrainerFn.FITTING:
            self._register_signal(signal.SIGTERM, self._stop_at_once)
            return
        if not any(isinstance(callback, LastCheckpoint) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            self._register_signal(signal.SIGTERM, self._stop_after_step)
            return
        for name in ("SIGTERM", "SIGUSR1"):
            if hasattr(signal, name):
                self._register_signal(getattr(signal, name), self._record_signal)

    @staticmethod
    @override
    def _get_current_signal_handlers() -> dict[Any, Any]:
        """The handlers to restore after a fit, without that of SIGBUS, which :mod:`truncation_guard` installs in C."""
        handlers: dict[Any, Any] = {**_SignalConnector._get_current_signal_handlers()}
        handlers.pop(getattr(signal, "SIGBUS", None), None)
        return handlers

    def _record_signal(self, number: int, frame: FrameType | None) -> None:
        self.received_signal = max(self.received_signal, number)

    def _stop_at_once(self, number: int, frame: FrameType | None) -> None:
        launcher = self.trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(number)
        raise SIGTERMException

    def _stop_after_step(self, number: int, frame: FrameType | None) -> None:
        self.received_sigterm = True
