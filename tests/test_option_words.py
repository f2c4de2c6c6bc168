"""Messages name options within a command and arguments of Python elsewhere."""

import ast
import re
from pathlib import Path

import pytest

import unlearning_pl
from unlearning_pl.commands.main import main, run
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.learners import SimCLR
from unlearning_pl.option_words import command_line, user_words
from unlearning_pl.training.trainer import UnlearningTrainer

VALUES = {"0.1", "FILE.json", "ID", "K", "N", "NAME", "RUN", "all", "auto", "constant", "false", "matrices", "retain"}
VALUES |= {"0", "Classifier", "FILE", "FILE.safetensors", "FOLDER", "bfloat16", "float32", "huggingface", "original"}
VALUES |= {"own", "scores", "timm/NAME", "20", "CLIP", "K/N", "-1", "CoUn", "held_out"}
FOREIGN = ("--ntasks", "--ignore-zeros", "--dereference", "--hard-dereference", "--sparse")
PACKAGE = Path(unlearning_pl.__file__).parent


def messages() -> list[str]:
    """Texts of all messages of the package that have an option; {} stands for what is inserted."""
    texts = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("require", "InputError"):
                texts += [_text(argument) for argument in node.args]
    return [text for text in texts if re.search(r"--[a-z]", text)]


def _text(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


@pytest.mark.parametrize("message", messages())
def test_every_option_of_a_message_has_words_of_python(message: str) -> None:
    words = user_words(message)
    for foreign in FOREIGN:
        words = words.replace(foreign, "")
    assert not re.search(r"--[a-z]", words), words
    quoted = re.findall(r"`(?:[\w=]+\()?\w+=([^`(]+?)\)?`", words)
    assert {value.strip('"[]') for value in quoted} <= VALUES | {"True", "False", "..."}, words


def test_a_repeated_cell_learns_which_arguments_help(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").touch()
    trainer = UnlearningTrainer(run=str(tmp_path / "run"), max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(InputError, match="Choose another `run` or add `overwrite=True`"):
        trainer.fit(SimCLR(backbone="resnet9_slim"), datamodule=UnlearningData(batch_size=32))


def test_a_command_keeps_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").touch()
    line = f"fit --model SimCLR --model.backbone resnet9_slim --run {tmp_path}/run --trainer.accelerator cpu"
    assert main(line.split()) == 2
    assert "Choose another --run or add --overwrite." in capsys.readouterr().err
    with pytest.raises(InputError, match="add --overwrite"):
        run(line.split())
    assert user_words("--overwrite") == "`overwrite=True`"  # a failed command has ended, too


def test_a_value_of_the_user_is_quoted_as_it_is() -> None:
    assert user_words("Expected a name as --allow, got '--run'.") == "Expected a name as `allow`, got '--run'."
    with command_line():
        assert str(InputError("Add --allow a.b.")) == "Add --allow a.b."
    assert str(InputError("Add --allow a.b.")) == 'Add `allow=["a.b"]`.'
