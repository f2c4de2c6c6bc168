"""The configuration that a command line means, without running it."""

from typing import Any

import yaml
from typing_extensions import override

from unlearning_pl.training_cli import UnlearningCLI, training


class _Parsed(UnlearningCLI):
    """The command up to the point where classes would be made."""

    @override
    def _set_seed(self) -> None:
        pass

    @override
    def instantiate_classes(self) -> None:
        pass

    @override
    def after_instantiate_classes(self) -> None:
        pass

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        pass


def configuration(words: list[str]) -> dict[str, Any]:
    """Parse a command line as the command itself does, and run nothing.

    Args:
        words: The command and its options.

    Returns:
        What the run's config.yaml would hold.

    Raises:
        InputError: If the words do not parse.

    Example:
        >>> configuration(["fit", "--model", "SimCLR", "--trainer.max_epochs", "3"])["trainer"]["max_epochs"]
        3
    """
    cli = training(words, _Parsed)
    parsed: dict[str, Any] = yaml.safe_load(cli._parser(words[0]).dump(cli.config[words[0]], skip_none=False))
    return parsed


def agrees(recorded: Any, now: Any) -> bool:
    """Whether a setting is as it was; settings that did not exist when it was recorded are not compared.

    Example:
        >>> agrees({"lr": 0.1}, {"lr": 0.1, "new": None}), agrees({"lr": 0.1}, {"lr": 0.2})
        (True, False)
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        return all(key in now and agrees(value, now[key]) for key, value in recorded.items())
    return bool(recorded == now)
