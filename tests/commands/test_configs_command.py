"""The command configs lists what the package brings, shows it as it is, and replaces no file."""

from pathlib import Path

import pytest

from unlearning_pl.commands.main import main

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_list_has_a_line_on_each_file_by_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs"]) == 0
    text = capsys.readouterr().out
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert [*lines] == sorted(path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml"))
    assert "  Raise the loss of the forget set." in lines["methods/gradient_ascent"]
    assert [len({line.partition("/")[0] for line in part.splitlines()}) for part in text.split("\n\n")] == [1] * 7


@pytest.mark.parametrize("name", ["methods/scrub", "configs/methods/scrub.yaml"])
def test_show_prints_the_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "show", name]) == 0
    assert capsys.readouterr().out == (CONFIGS / "methods/scrub.yaml").read_text()


def test_copy_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "copy", "methods/scrub"]) == 0
    assert (tmp_path / "scrub.yaml").read_bytes() == (CONFIGS / "methods/scrub.yaml").read_bytes()
    assert "scrub.yaml" in capsys.readouterr().out
    (tmp_path / "scrub.yaml").write_text("changed")
    assert main(["configs", "copy", "methods/scrub"]) == 2
    assert "Expected a new file, got scrub.yaml, which exists. Give another folder by --to" in capsys.readouterr().err
    assert (tmp_path / "scrub.yaml").read_text() == "changed"
    assert main(["configs", "copy", "methods/scrub", "--to", "new/folder"]) == 0
    assert (tmp_path / "new/folder/scrub.yaml").is_file()
    assert main(["configs", "copy", "methods/scrub", "--to", "scrub.yaml"]) == 2
    assert "Expected a folder as --to, got scrub.yaml, which is a file." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sho methods/ssd", "Expected list, show or copy, got 'sho'. Did you mean show?"),
        ("show methods/ssd --to x", "Expected --to with copy alone, got show. Leave it out."),
        ("show", "Expected show NAME, got no name. Run `unlearning-pl configs` for a list."),
        (
            "list methods/ssd",
            "Expected no name after list, got 'methods/ssd'. Write show methods/ssd to see that file.",
        ),
        ("copy methods/sssd", "Expected a configuration of the package, got 'methods/sssd'. Did you mean methods/ssd?"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", *words.split()]) == 2
    assert capsys.readouterr().err == f"unlearning-pl: error: {message}\n"
