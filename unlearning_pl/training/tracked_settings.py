"""All settings of a run for the loggers that have no run folder: Lightning gives them the learner's arguments alone."""

import inspect
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from typing_extensions import override

from unlearning_pl.methods import Unlearner
from unlearning_pl.yaml_text.yaml_settings import read_yaml


class TrackedSettings(Callback):
    """Logs the configuration of a command, or the method and its arguments, when training starts."""

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        others = [logger for logger in trainer.loggers if not isinstance(logger, TensorBoardLogger)]
        for logger in others:
            logger.log_hyperparams(run_settings(trainer))
            configuration: str | None = getattr(trainer, "configuration", None)
            if isinstance(logger, MLFlowLogger) and configuration is not None and trainer.is_global_zero:
                # its parameters end after 250 characters, which a list of ids exceeds
                logger.experiment.log_text(logger.run_id, configuration, "config.yaml")


def run_settings(trainer: Trainer) -> dict[str, Any]:
    """Settings of a run: its config.yaml, or from Python the method and its arguments.

    Example:
        >>> run_settings(Trainer(logger=False, enable_checkpointing=False))
        {}
    """
    configuration: str | None = getattr(trainer, "configuration", None)
    if configuration is not None:
        return dict(read_yaml(configuration))
    methods = [callback for callback in trainer.callbacks if isinstance(callback, Unlearner)]  # type: ignore[attr-defined]
    return {
        "method" if row == 0 else f"plugin_{row}": {"name": type(method).__name__, **_arguments(method)}
        for row, method in enumerate(methods)
    }


def _arguments(method: Unlearner) -> dict[str, Any]:
    names = inspect.signature(type(method)).parameters
    return {name: getattr(method, name) for name in names if hasattr(method, name)}
