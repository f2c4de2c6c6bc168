"""TensorBoard logger of a run, whose errors name its folder."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

from unlearning_pl.io import named_errors


class RunLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger of a run folder; an OSError names the folder.

    TensorBoard writes in a thread, and raises its error, which names no file, at a later call.
    """

    @property
    @override
    def experiment(self) -> Any:
        with named_errors(self.log_dir):
            return super().experiment

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with named_errors(self.log_dir):
            super().log_metrics(metrics, step)

    @override
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        with named_errors(self.log_dir):
            super().log_hyperparams(*args, **kwargs)

    @override
    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        with named_errors(self.log_dir):
            super().log_graph(*args, **kwargs)

    @override
    def save(self) -> None:
        with named_errors(self.log_dir):
            super().save()

    @override
    def finalize(self, status: str) -> None:
        with named_errors(self.log_dir):
            super().finalize(status)
