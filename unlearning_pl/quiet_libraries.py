"""Messages of libraries that tell a user nothing: which these are, and the filter that hides them."""

import logging
import warnings

_LIGHTNING = "lightning.pytorch.utilities.rank_zero"
HIDDEN: dict[str, tuple[str, ...]] = {
    _LIGHTNING: (
        *("💡 Tip: ", "Tip: "),  # advertisement
        *("GPU available: False", "TPU available: False"),
        *("`Trainer.fit` stopped: `max_epochs=", "`Trainer.fit` stopped: `max_steps="),  # what the user asked for
        "You are using a CUDA device",  # with Tensor Cores: trainer.tf32 uses them
    ),
    "lightning.fabric.utilities.seed": ("Seed set to ", "[rank: "),  # run.json records the seed
}
"""Beginnings of messages that are never shown, by the name of the logger."""
ONCE: dict[str, tuple[str, ...]] = {
    _LIGHTNING: ("GPU available: ", "TPU available: ", "Using 16bit Automatic", "Using bfloat16 Automatic"),
    "lightning.pytorch.accelerators.cuda": ("LOCAL_RANK: ",),
}
"""Beginnings of messages that a process shows once: an audit creates a trainer for each model."""


class _ConcernsUser(logging.Filter):
    """Lets warnings, errors and unknown messages pass."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            return True
        if message.startswith(HIDDEN.get(record.name, ())) or message in self._shown:
            return False
        if message.startswith(ONCE.get(record.name, ())):
            self._shown.add(message)
        return True


_FILTER = _ConcernsUser()


def quiet_libraries() -> None:
    """Hide messages and warnings of libraries that do not concern the user; errors and other warnings stay.

    Example:
        >>> with warnings.catch_warnings():
        ...     quiet_libraries()
        >>> record = logging.makeLogRecord({"msg": "GPU available: False, used: False", "levelno": logging.INFO})
        >>> record.name = "lightning.pytorch.utilities.rank_zero"
        >>> bool(logging.getLogger(record.name).filter(record))
        False
    """
    from jsonargparse._deprecated import JsonargparseDeprecationWarning

    # The data are in memory, so workers would only copy them; curves have one point per epoch.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*is smaller than the logging interval.*")
    # Calls in Lightning that a newer torch or jsonargparse deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    for name in {**HIDDEN, **ONCE}:
        logging.getLogger(name).addFilter(_FILTER)  # a logger keeps one that it has
