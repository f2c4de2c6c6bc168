"""The last lines of a command: what it wrote, and a command that can be copied as it is."""

import re
import shlex
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from unlearning_pl.commands.last_lines import LastLines, page_written, print_last_lines
from unlearning_pl.commands.main import main

DATA = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
FIT = f"fit --model Classifier --model.backbone resnet9_slim {DATA} {SHORT}".split()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def last(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()[-2:]


def following(line: str) -> list[str]:
    """The words of the command that a line offers."""
    command = re.fullmatch("Next: unlearning-pl (.*)", line)
    assert command, line
    return shlex.split(command[1])


def test_each_command_leads_to_the_next_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The offered commands run as they are, with paths of blanks and quotes and classes of one's own."""
    written, offered = last([*FIT, "--run", "my 'runs'/original"], capsys)
    assert written == "Run: my 'runs'/original"
    unlearn = following(offered)
    assert unlearn[:3] == ["unlearn", "--original", "my 'runs'/original"]
    written, offered = last([*unlearn, *SHORT.split()], capsys)
    assert written == "Run: runs/neg_grad"
    audit = following(offered)
    expected = ["audit", "--model", "runs/neg_grad", "--original", "my 'runs'/original", "--allow", "tiny.FewDigits"]
    assert audit == expected
    written, offered = last([*audit, "--views", "2", "--relearning", "0", "--accelerator", "cpu"], capsys)
    assert written == "Report: runs/neg_grad/audit/report.html"
    assert offered == f"Open: {(tmp_path / 'runs/neg_grad/audit/report.html').as_uri()}"
    split = ["split", "--original", "my 'runs'/original", "--forget.count", "3", "--output", "the ids.json"]
    written, offered = last([*split, "--allow", "tiny"], capsys)
    assert written == "Ids of 3 images, with 4 pairs of near duplicates: the ids.json"
    again = following(offered)
    assert again[-4:] == ["--forget.file", "the ids.json", "--allow", "tiny"]
    checkpoint = "my 'runs'/original/checkpoints/last.ckpt"
    unlearn = [checkpoint if word == "my 'runs'/original" else word for word in again]
    allowed = [*FIT[1:-4], *SHORT.split()]  # a file alone has no configuration
    written, offered = last([*unlearn, *allowed, "--run", "second"], capsys)
    assert following(offered)[:5] == ["audit", "--model", "second", "--original", "my 'runs'/original"]
    assert last(["predict", "--run", "second", "--allow", "tiny", *SHORT.split()[:4]], capsys)[-1] == (
        "Features and class probabilities of 148 images: second/predictions.npz"
    )


def test_a_retrained_run_is_for_an_audit_and_a_trial_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    retrain = [*FIT, "--data.train_on", "retain", "--data.forget.count", "3"]
    audit = following(last(retrain, capsys)[-1])
    assert audit[audit.index("--retrained") :] == ["--retrained", "runs/retrained", "--allow", "tiny.FewDigits"]
    assert not any(line.startswith(("Run:", "Next:")) for line in last([*FIT, "--trainer.fast_dev_run", "1"], capsys))


def test_rank_zero_alone_prints_whole_lines_without_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path("/a folder") / "long" / ("x" * 200) / "[red]report.html"
    print_last_lines(page_written(page))
    shown = capsys.readouterr().out
    assert shown == f"Report: {page}\nOpen: {page.as_uri()}\n"
    assert " " not in shown.splitlines()[1].removeprefix("Open: ")
    print_last_lines(LastLines("Views: a\x1b[2J.png"))
    assert capsys.readouterr().out == "Views: a\\x1b[2J.png\n"
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    print_last_lines(page_written(page))
    assert capsys.readouterr().out == ""
