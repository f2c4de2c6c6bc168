"""The help of the training commands: short by default, complete with ``--help=all``, and true of the parser."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from unlearning_pl.cli.finished_runs import _ParseOnlyCLI
from unlearning_pl.cli.option_texts import OWN
from unlearning_pl.cli.parse_errors import available_classes
from unlearning_pl.cli.short_help import SECTIONS, list_methods, methods, models, plugins, short_help, sources
from unlearning_pl.cli.training_cli import UnlearningCLI, run_training_command
from unlearning_pl.commands.main import COMMANDS, SHORT_HELP, main
from unlearning_pl.commands.split import ENCODER, PIXELS, split_parser
from unlearning_pl.commands.views import views_parser
from unlearning_pl.learners.backbones import BUILDERS

LISTED = {"method": methods, "plugins": plugins, "model": models, "data.source": sources}


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parser of each command, and the settings that it makes of no options."""
    empty = tmp_path_factory.mktemp("empty") / "original.ckpt"
    empty.touch()
    model = f"--config={empty}"
    empty.write_text("model: {class_path: unlearning_pl.learners.SimCLR}")
    words = {"fit": [model], "unlearn": [model, "--original", str(empty)], "test": [model]}
    parsed = {command: run_training_command([command, *words[command]], _ParseOnlyCLI) for command in words}
    return {command: (cli._parser(command), cli.config[command]) for command, cli in parsed.items()}


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with suppress(SystemExit):
        assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", SECTIONS)
def test_the_short_help_is_two_screens_of_whole_lines(
    command: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown([command, "--help"], capsys).splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= width
    assert lines[0].startswith(f"usage: unlearning-pl {command} ")
    assert any(line.startswith("  --help=all ") for line in lines)
    assert any(line.startswith("  --print_config ") for line in lines)
    options = [line for line in lines if line.startswith("  --")]
    assert not [line for line in options if line.endswith(".") and not line.endswith(" ...")]


def test_every_short_help_is_shown() -> None:
    assert {*SHORT_HELP} == {*SECTIONS}


def test_every_class_is_listed_with_a_line_and_no_other() -> None:
    for option, listed in LISTED.items():
        assert listed().keys() == available_classes(option).keys()
    for name in [*methods(), *plugins()]:
        assert len(re.findall(rf"\n  {name} +\S", short_help("unlearn", 80))) == 1
    for name in [*models(), *sources()]:
        assert len(re.findall(rf"\n  {name} +\S", short_help("fit", 80))) == 1


def test_the_full_list_has_whole_sentences() -> None:
    assert (
        "GradientAscent         Gradient ascent (GA): maximise the training loss of the forget set.\n" in list_methods()
    )


@pytest.mark.parametrize("command", ["fit", "unlearn", "test"])
def test_the_short_help_is_true_of_the_parser(command: str, parsers: dict[str, Any]) -> None:
    parser, settings = parsers[command]
    options = re.findall(r"^  --(\S+) +(.*)", short_help(command, 200).partition("\nMore:")[0], re.MULTILINE)
    assert {name for name, _ in options} == {name for names in SECTIONS[command].values() for name in names}
    for name, text in options:
        assert f"--{name}" in parser._option_string_actions or name == "optimizer.lr"
        default = re.search(r" \[(.*)\]$", text)
        if default is None or name in ("run", "data.eval_batch_size"):
            continue
        value = settings.get(name.replace("optimizer.", "optimizer.init_args."))
        value = value.class_path.rpartition(".")[2] if name == "optimizer" else value
        value = "32-true" if name == "trainer.precision" and value is None else value
        assert default[1] == (f"{value:g}" if isinstance(value, float) else str(value).lower().replace("sgd", "SGD"))


@pytest.mark.parametrize(("command", "make"), [("split", split_parser), ("views", views_parser)])
def test_the_short_help_of_other_commands_is_true_of_the_parser(
    command: str, make: Callable[[], ArgumentParser]
) -> None:
    parser = make()
    defaults = parser.get_defaults()
    options = re.findall(r"^  --(\S+) +(.*)", short_help(command, 200).partition("\nMore:")[0], re.MULTILINE)
    assert {*OWN[command]} == {name for name, _ in options if "." not in name} - {"config", "allow"}
    for name, text in options:
        assert f"--{name}" in parser._option_string_actions
        assert not text.endswith("...")
        default = re.search(r" \[(.*)\]$", text)
        if default is not None and name not in ("threshold", "data.eval_batch_size"):
            assert default[1] == str(defaults[name])
    hidden = {f"--{name}" for name, _ in options} ^ {*parser._option_string_actions}
    assert all(name.startswith(("--data", "--forget", "--print", "--help", "-h")) for name in hidden)
    if command == "split":
        assert f"[{ENCODER:g}; pixels {PIXELS:g}]" in OWN["split"]["threshold"]


def test_settings_of_the_run_that_a_command_starts_from_have_no_default() -> None:
    for command in ("unlearn", "validate", "test", "predict"):
        rows = re.findall(r"^  --data\.\S+ .*", short_help(command, 200), re.MULTILINE)
        assert rows
        assert not any("[" in row for row in rows)
    assert "[256]" in short_help("fit", 200)


@pytest.mark.parametrize("command", ["fit", "unlearn", "test"])
def test_the_whole_help_has_every_option(
    command: str, parsers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown([command, "--help=all"], capsys)
    options = {*re.findall(r"^  (?:-\w(?: \w+)?, )?(--[\w.]+)", text, re.MULTILINE)}
    known = {name for name in parsers[command][0]._option_string_actions if name[:2] == "--" and name[-1] != "+"}
    linked = {"--trainer.run", "--trainer.overwrite", "--trainer.seed"}  # by --run, --overwrite, --seed_everything
    assert options == known - linked
    assert {f"--{name}".removesuffix("+") for names in SECTIONS[command].values() for name in names} - options <= {
        "--optimizer.lr"
    }


def test_a_terminal_of_few_columns_gets_those_of_a_wider_one() -> None:
    assert short_help("unlearn", 10) == short_help("unlearn", 60)


def test_another_help_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("unlearn", "audit"):
        assert main([command, "--help=ALL"]) == 2
        assert capsys.readouterr().err.endswith("Expected --help or --help=all, got '--help=ALL'. Write one of them.\n")


def test_all_may_be_a_word_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(["test", "--help", "all"], capsys) == shown(["test", "--help=all"], capsys)
    assert "--views" in shown(["audit", "--help=all"], capsys)


@pytest.mark.parametrize("command", UnlearningCLI.subcommands())
def test_the_help_of_a_learner_needs_no_run_and_lists_the_backbones(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(shown([command, "--model.help", "Classifier"], capsys).split())
    assert "Number of classes K, at least 2." in text
    listed = text.partition("Encoder: ")[2].partition(".")[0]
    assert {*BUILDERS} <= {*re.findall(r"\w+", listed)}
    assert "timm" in listed


def test_every_learner_lists_the_backbones(capsys: pytest.CaptureFixture[str]) -> None:
    helps = [" ".join(shown(["fit", f"--model.help={name}"], capsys).split()) for name in models() if name != "CLIP"]
    assert all(f"Encoder: {', '.join(BUILDERS)}, torchvision/NAME, " in text for text in helps)


@pytest.mark.parametrize("words", ["--method.help AlignmentCalibration", "--method.help=AlignmentCalibration"])
def test_the_help_of_a_method_needs_no_original(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--method.beta" in shown(["unlearn", *words.split()], capsys)
    assert "--plugins.weight" in shown(["unlearn", "--plugins.help", "CoUn"], capsys)


def test_the_short_help_imports_nothing_heavy() -> None:
    code = "import sys; from unlearning_pl.commands.main import main; main(['unlearn', '--help']); "
    code += "print(*{'torch', 'lightning', 'jsonargparse'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n\n")
    assert len(COMMANDS) > 5


def test_a_value_named_like_the_option_of_help_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--model.helper`` is a typing mistake and no help."""
    assert main(["unlearn", "--model.helper", "3"]) == 2
    assert "Expected --original RUN, got none" in capsys.readouterr().err
