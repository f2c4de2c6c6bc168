"""Names of a stranger's files in errors, warnings, tables and pages; texts that stand for more than they say."""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unlearning_pl.audits import Audit
from unlearning_pl.commands.main import main
from unlearning_pl.commands.printable_output import make_printable, print_error
from unlearning_pl.report.html_page import write_report

HOSTILE = "\x1b[2Jcat\u202e\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TEXTS = {
    "bomb": BOMB,
    "deep": "data: " + "[" * 100_000,
    "number": "n: " + "9" * 5000,
    "string": json.dumps({"data": BOMB}),
}


def error(capsys: pytest.CaptureFixture[str], args: list[str]) -> str:
    assert main(args) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert len(lines[0]) < 600
    assert "\x1b" not in lines[0]
    return lines[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        for name in (HOSTILE, "dog"):
            place = tmp_path / "images" / split / name
            place.mkdir(parents=True)
            for row in range(3):
                pixels = np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{row}\x1b]0;x\x07.png")
    return tmp_path / "images"


def test_names_of_files_and_classes_are_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--data.source.train", f"{folder}/train", "--data.source.test", f"{folder}/test"]
    args = [
        "split",
        "--data.source",
        "Folder",
        *places,
        "--data.source.image_size",
        "8",
        "--data.source.on_error",
        "skip",
    ]
    assert main([*args, f"--data.forget.classes={HOSTILE}"]) == 0
    shown = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & {*shown.out, *shown.err}
    assert r"\x1b[2Jcat\u202e\n" in shown.out
    assert r"\x1b]0;x\x07.png" in shown.out
    assert r"\x1b[2Jbird" in error(capsys, [*args, "--data.forget.classes", "\x1b[2Jbird"])


def test_warnings_and_messages_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    logger, handler = logging.getLogger("lightning.pytorch"), logging.StreamHandler()
    logger.addHandler(handler)
    with warnings.catch_warnings(record=True):
        make_printable()
    make_printable()
    logger.warning("restored %s", HOSTILE)
    logger.removeHandler(handler)
    assert warnings.formatwarning(UserWarning(HOSTILE), UserWarning, "file.py", 3, "").count("\x1b") == 0
    print_error(f"Expected {HOSTILE}", rank=2)
    shown = capsys.readouterr().err
    assert not {"\x1b", "\u202e"} & {*shown}
    assert shown.endswith("error: rank 2: Expected \\x1b[2Jcat\\u202e\n")


def test_a_page_shows_names_as_text(tmp_path: Path) -> None:
    audits = [Audit(name, {}, {}, torch.zeros(0, 0)) for name in ("original", HOSTILE)]
    context = {"title": HOSTILE, "question": HOSTILE, "dataset": "\udcff", "commands": [HOSTILE]}
    page = write_report(tmp_path, audits, context).read_text()
    assert not {"\x1b", "\u202e"} & {*page}
    assert r"\x1b[2Jcat\u202e" in page


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "args",
    [
        ["split", "--config", "a.yaml"],
        ["views", "--config", "a.yaml"],
        ["fit", "--config", "a.yaml"],
        ["unlearn", "--original", "run", "--forget.count", "1"],
        ["audit", "--model", "run", "--config", "a.yaml"],
        ["benchmark", "a.yaml"],
        ["split", "--config", "TEXT"],
        ["fit", "--config", "TEXT"],
        ["fit", "--model", "TEXT"],
        ["split", "--data.source", "TEXT"],
        ["split", "--data.forget", "TEXT"],
    ],
    ids=" ".join,
)
def test_a_text_that_stands_for_too_much_is_one_short_line(
    args: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for name in ("a.yaml", "run/config.yaml"):
        Path(name).write_text(text)
    error(capsys, [text if word == "TEXT" else word for word in args])


@pytest.mark.parametrize(
    "words",
    [
        "split --data.forget.count NINES",
        "split --data.forget.per_class NINES",
        "split --data.forget.per_class.a NINES",
        "split --data.forget.per_class {a:NINES}",
        "split --data.forget.seed NINES",
        "split --data.forget.fraction NINES",
        "split --data.forget.classes NINES",
        "split --data.forget.ids [NINES]",
        "split --data.forget.where NINES",
        "split --data.forget.where id==NINES",
        "split --data.forget.where class<NINES",
        "split --data.forget.file ids.json",
        "split --data.batch_size NINES",
        "split --show NINES",
        "split --NINES 3",
        "split --output NINES",
        "split --original NINES",
        "split --config NINES",
        "fit --run NINES",
        "NINES",
    ],
)
def test_five_thousand_digits_are_one_short_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nines = "9" * 5000
    Path("ids.json").write_text(f"[{nines}]")
    error(capsys, words.replace("NINES", nines).split())
