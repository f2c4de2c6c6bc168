"""One command imports, previews, unlearns, audits and exports, and continues where it stopped."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from photo_folders import write_photos
from PIL import Image

from unlearning_pl.commands import forget
from unlearning_pl.commands.main import main
from unlearning_pl.errors import DivergedError
from unlearning_pl.learners import Classifier
from unlearning_pl.training import runs

IDS = ["photos/train/cat/1.png", "train/dog/2.png", "emu/0.png"]
WORDS = ["forget", "--model", "w.pt", "--images", "photos", "--forget", "ids.txt", "--out", "result"]
SMALL = ["--architecture", "resnet9_slim", "--image_size", "16"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("forget")
    write_photos(place / "photos" / "train")
    write_photos(place / "photos" / "test", 2, seed=1)
    Image.new("L", (30, 20)).save(place / "photos" / "train" / "cat" / "0.png")  # gray, and of another size
    torch.manual_seed(0)
    torch.save(Classifier("resnet9_slim", 3).state_dict(), place / "w.pt")
    (place / "ids.txt").write_text("\n".join(IDS))
    return place


@pytest.fixture(autouse=True)
def _inside(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that ran."""
    called: list[list[str]] = []
    real: Callable[[list[str]], object] = forget.run

    def run(words: list[str]) -> None:
        called.append(words)
        real(words)

    monkeypatch.setattr(forget, "run", run)
    return called


def test_a_dry_run_shows_every_command_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, *SMALL, "--dry-run", "--out", "never"]) == 0
    shown = capsys.readouterr().out
    lines = [shlex.split(line)[1] for line in shown.splitlines() if line.startswith("unlearning-pl ")]
    assert lines == ["import", "split", "unlearn", "audit", "export"]
    assert "Request: 3 of 12 training images; 6 unseen ones for the audit." in shown
    assert "Time: about " in shown
    assert not Path("never").exists()


def test_the_steps_run_once_and_the_command_continues(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    going = forget.run

    def stop(words: list[str]) -> None:
        if words[0] == "fit":
            raise DivergedError("Expected a finite loss.")
        going(words)

    monkeypatch.setattr(forget, "run", stop)
    assert main([*WORDS, *SMALL, "--retrain", "1"]) == 1
    assert [words[0] for words in ran] == ["import", "split", "unlearn"]
    assert runs.read_split("result/unlearned")["forget"] == ["train/cat/1.png", "train/dog/2.png", "train/emu/0.png"]
    monkeypatch.setattr(forget, "run", going)
    ran.clear()
    assert main([*WORDS, *SMALL, "--retrain", "1"]) == 0
    assert [words[0] for words in ran] == ["fit", "audit", "export"]
    shown = capsys.readouterr().out
    assert "Step 1 of 6, finished before:" in shown
    assert re.search(r"\nStep 4 of 6, about \d+ s left with it:\nunlearning-pl fit ", shown)
    assert "Near duplicates that stay" not in shown
    assert json.loads(Path("result/near_duplicates.json").read_text())["near_duplicates_by"]["threshold"] == 0.98
    last = shown.splitlines()[-4:]
    assert [line.split(":")[0] for line in last] == ["Done", "Verdict", "Files", "Open"]
    assert "3 of 12 training images of w.pt unlearned" in last[0]
    assert "with AUC" in last[1]
    assert "result/w_unlearned.pt" in last[2]
    given, written = (torch.load(name, weights_only=True) for name in ("w.pt", "result/w_unlearned.pt"))
    assert [*written] == [*given]
    assert any(not torch.equal(written[name], given[name]) for name in given)
    audits = json.loads(Path("result/audit/report.json").read_text())["audits"]
    assert {audit["name"] for audit in audits} == {"unlearned", "retrained", "original"}
    ran.clear()
    Path("again.txt").write_text("\r\n".join(reversed([*IDS, *IDS])))
    assert main([*WORDS, *SMALL, "--retrain", "1", "--forget", "again.txt"]) == 0
    assert capsys.readouterr().out.count("finished before:") == 6
    for other, message in (
        (["--retrain", "1", "--image_size", "8"], "as it was imported into result/original"),
        (["--retrain", "2"], "got that of unlearning-pl fit --config result/original/config.yaml"),
        (["--forget", "others.txt"], "Expected the images of result/forget.json to be forgotten again"),
    ):
        Path("others.txt").write_text("cat/2.png")
        assert main([*WORDS, *SMALL, *other]) == 2
        assert message in capsys.readouterr().err
    assert ran == []


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ("cat/7.png", [], "Expected training images in bad.txt, got 1 of 1 names that are none: 'cat/7.png'"),
        ("test/cat/0.png", [], "got 1 of 1 names that are none"),
        ("cat/1.png", ["--images", "one"], "Expected images of as many classes as the model has, 3, got 1"),
        ("cat/1.png", ["--method", "Nonsense"], "Nonsense"),
        ("cat/1.png", ["--architecture", "resnet18"], "Expected the weights of resnet18, got w.pt"),
        ("cat/1.png", ["--out", "photos/train"], "Expected --out outside of photos/train"),
        ("cat/1.png", ["--out", "photos/test/result"], "Expected --out outside of photos/test"),
        ("cat/1.png", ["--out", "w.pt/result"], "/w.pt is a file"),
        ("cat/1.png", ["--model", "run"], "got the run run. Run unlearning-pl unlearn --original run"),
        ("cat/1.png", ["--method", "FineTune", "--config", "methods/scrub"], "Expected --method or --config, got both"),
        ("cat/1.png", ["--config", "experiments/simclr_digits"], "with another model and data.source"),
        ("cat/1.png", ["--retrain", "0"], "Expected --retrain of 1 or more, got 0"),
        ("cat/1.png", ["--image_size", "-3"], "Expected --image_size of 1 or more, got -3"),
        ("cat/1.png", ["--images", "sizes", "--image_size", "null"], "one size"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    ids: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, classes in (("one", ("cat",)), ("sizes", ("cat", "dog", "emu"))):
        if not Path(name).exists():
            write_photos(Path(name) / "train", classes=classes)
            write_photos(Path(name) / "test", classes=classes, seed=1)
            Image.new("RGB", (8, 8)).save(f"{name}/train/cat/0.png")
    Path("run").mkdir(exist_ok=True)
    Path("run/config.yaml").touch()
    Path("bad.txt").write_text(ids)
    before = sorted(Path().rglob("*"))
    assert main([*WORDS, "--forget", "bad.txt", "--out", "new", *SMALL, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len([line for line in error.splitlines() if "error" in line]) == 1
    assert sorted(Path().rglob("*")) == before
