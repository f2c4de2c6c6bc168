"""Signals that ask a run to end."""

import signal
from types import FrameType

from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.trainer.states import TrainerFn
from typing_extensions import override

from unlearning_pl.training.last_checkpoint import LastCheckpoint


class SignalHandler(_SignalConnector):
    """Notes SIGTERM and SIGUSR1 while a fit runs, to be acted on between two steps.

    Lightning's own handlers call collectives, and save, wherever the signal happens to meet the process: in the middle
    of a step, each process at another place. A fit of which nothing is kept, an audit's for instance, ends after the
    step, by Lightning's own exception.

    Attributes:
        asked: Number of the signal that came, 0 before.
    """

    asked = 0

    @override
    def register_signal_handlers(self) -> None:
        if self.trainer.state.fn != TrainerFn.FITTING:
            super().register_signal_handlers()
            return
        self._original_handlers = self._get_current_signal_handlers()
        self.asked, self.received_sigterm = 0, False
        if not any(isinstance(callback, LastCheckpoint) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            self._register_signal(signal.SIGTERM, self._end)
            return
        for name in ("SIGTERM", "SIGUSR1"):
            if hasattr(signal, name):
                self._register_signal(getattr(signal, name), self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = max(self.asked, number)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.received_sigterm = True
