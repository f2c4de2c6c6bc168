"""The overview, the help of every command, and the version."""

import pytest
from tiny_commands import command

from unlearning_pl import __version__, methods
from unlearning_pl.cli.parse_errors import available_classes
from unlearning_pl.cli.training_cli import UnlearningCLI
from unlearning_pl.commands.main import COMMANDS

NAMES = [*COMMANDS, *UnlearningCLI.subcommands()]
pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


@pytest.mark.parametrize("words", ["", "--help"])
def test_the_overview_names_every_command(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(words) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: int | str | None = command(f"{name} --help")
    except SystemExit as stop:  # of jsonargparse
        code = stop.code
    assert code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: unlearning-pl {name}")
    assert "unlearning-pl" in shown


def test_a_new_export_appears_in_suggestions(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distil(methods.Unlearner):
        """Copy a teacher."""

    monkeypatch.setattr(methods, "Distil", Distil, raising=False)
    monkeypatch.setattr(methods, "__all__", [*methods.__all__, "Distil"])
    assert available_classes("method")["Distil"] is Distil
    assert "Distil" not in available_classes("plugins")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") == 0
    assert capsys.readouterr().out.strip() == __version__
