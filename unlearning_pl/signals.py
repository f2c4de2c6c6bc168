"""Signals that ask a run to end."""

import signal
from types import FrameType

from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.trainer.states import TrainerFn
from typing_extensions import override


class Signals(_SignalConnector):
    """Notes SIGTERM and SIGUSR1 while a fit runs, to be acted on between two steps.

    Lightning's own handlers call collectives, and save, wherever the signal happens to meet the process: in the middle
    of a step, each process at another place.

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
        self.asked = 0
        for name in ("SIGTERM", "SIGUSR1"):
            if hasattr(signal, name):
                self._register_signal(getattr(signal, name), self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = max(self.asked, number)
