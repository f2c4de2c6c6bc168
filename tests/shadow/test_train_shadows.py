"""The command on tiny digits: what it makes, keeps, makes again and refuses, and whose figures they are."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import seed_everything
from sklearn.metrics import roc_auc_score

from unlearning_pl.cli import job_runner
from unlearning_pl.commands.main import main
from unlearning_pl.learners import Learner
from unlearning_pl.shadow.shadow_checks import check_output
from unlearning_pl.training import runs

CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 2"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
ORIGINAL = "--data.forget.count 8"  # a request of its own, which nobody met
UNLEARN = "unlearn --original original --forget.count 9 --forget.seed 3 --allow tiny"
SHADOW = "shadow --model model --original original --views 3 --allow tiny"


def done(words: str) -> None:
    assert main(words.split()) == 0


def make_runs(learner: str) -> None:
    fit = f"fit --model {learner} --model.backbone resnet9_slim {DIGITS} {CPU}"
    done(f"{fit} --run original {ORIGINAL}")
    done(f"{fit} --run retrained --data.train_on retain --data.forget.count 9 --data.forget.seed 3")
    done(f"{UNLEARN} --run model --method NegGrad {CPU}")


class Finished:
    """A process that has ended already."""

    def __init__(self, returncode: int) -> None:
        self.returncode = returncode

    def poll(self) -> int:
        return self.returncode


def started(noted: list[str]) -> Callable[[job_runner.Call, Mapping[str, str]], Finished]:
    """Run commands here in place of a process, and note what each makes."""

    def start(call: job_runner.Call, environment: Mapping[str, str]) -> Finished:
        run = Path(call.words[call.words.index("--run") + 1])
        noted.append(f"{run.parent.name}/{run.name}")
        code = main([*call.words])
        call.log.parent.mkdir(parents=True, exist_ok=True)
        with call.log.open("a") as log:
            log.write(f"exit {code}\n")
        return Finished(code)

    return start


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(job_runner, "_start", started(names))
    return names


def result(folder: str = "model/shadows") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "shadow.json").read_text())
    del found["seconds"]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The runs of a learner, and six shadow models of them, made once."""

    @cache
    def made(learner: str) -> Path:
        folder = tmp_path_factory.mktemp(learner) / "work"
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            seed_everything(0, verbose=False)
            make_runs(learner)
            patch.setattr(job_runner, "_start", started([]))
            done(f"{SHADOW} --retrained retrained --count 6")
        shutil.copytree(folder, folder.with_name("saved"))
        return folder

    return made


@pytest.fixture
def place(finished: Callable[[str], Path], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """They as they were made, to change; where they were made, since a run that is moved is made again."""
    folder = finished(getattr(request, "param", "Classifier"))
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("saved"), folder)
    monkeypatch.chdir(folder)
    return folder


learners = pytest.mark.parametrize("place", ["Classifier", "SimCLR"], indirect=True)


def test_shadow_models_see_and_unlearn_what_was_drawn(place: Path) -> None:
    scores = np.load("model/shadows/scores.npz")
    forget = runs.read_split("model")["forget"]
    assert scores["ids"].tolist() == forget
    for number, row in enumerate(scores["seen"]):
        unseen = [name for name, seen in zip(forget, row, strict=True) if not seen]
        first, second = runs.read_split(f"model/shadows/{number}/unlearned")["steps"]
        assert first["forget"] == runs.read_split(f"model/shadows/{number}/original")["forget"] == unseen
        assert second["forget"] == [name for name, seen in zip(forget, row, strict=True) if seen]
        records = [runs.read_record(f"model/shadows/{number}/{name}") for name in ("original", "unlearned")]
        assert [record["seed"] for record in records] == [number + 1] * 2
        assert [record["train_on"] for record in records] == ["retain"] * 2


@learners
def test_scores_are_what_each_model_says(place: Path) -> None:
    scores = np.load("model/shadows/scores.npz")
    data = runs.open_data("model", ["tiny"])
    images, target = data.pool.rows_at(data.positions("forget"))
    for column, folder in (("originals", "original"), ("unlearned", "unlearned")):
        learner = runs.open_learner(f"model/shadows/4/{folder}", ["tiny"]).eval()
        with torch.no_grad():
            logits = learner.class_scores(data.pool.normalise(images))
        if logits is None:
            assert np.abs(scores[column]).max() <= 1 + 1e-6
            continue
        probability = logits.double().softmax(1).gather(1, target[:, None])[:, 0]
        assert scores[column][4] == pytest.approx((probability / (1 - probability)).log().numpy(), rel=1e-3, abs=1e-4)


@learners
def test_figures_follow_from_the_scores(place: Path) -> None:
    scores, found = np.load("model/shadows/scores.npz"), result()
    seen, originals = scores["seen"], scores["originals"]
    values = {name: originals[mask] for name, mask in (("in", seen), ("out", ~seen))}
    squares, means = {}, {}
    for name, mask in (("in", seen), ("out", ~seen)):
        columns = [originals[:, n][mask[:, n]] for n in range(9)]
        means[name] = np.array([column.mean() for column in columns])
        squares[name] = sum(((column - column.mean()) ** 2).sum() for column in columns) / (len(values[name]) - 9)

    def ratio(target: Any) -> Any:
        into, out = (-np.log(squares[n]) / 2 - (target - means[n]) ** 2 / 2 / squares[n] for n in ("in", "out"))
        return into - out

    lira = ratio(scores["original"])
    assert [image["lira"] for image in found["images"].values()] == pytest.approx(lira.tolist(), rel=1e-4)
    auc = roc_auc_score([1] * 9 + [0] * 9, [*lira, *ratio(scores["retrained"])])
    assert found["attacks"][0]["metrics"]["auc"] == pytest.approx(auc)
    assert list(found["images"]) == runs.read_split("model")["forget"]
    assert found["counts"] == {"shadows": 6, "images": 9, "population": len(scores["test_ids"])}
    assert [(a["attack"], a["target"], a["against"]) for a in found["attacks"]] == [
        (attack, target, against)
        for attack, own in (("LiRA", "original"), ("RMIA", "original"), ("U-LiRA", "model"), ("RMIA", "model"))
        for target, against in ((own, "retrained"), (own, "shadow models"), ("retrained", "shadow models"))
        if (attack, target) != ("RMIA", "retrained")
    ]


@pytest.mark.slow
def test_what_is_finished_is_kept_and_more_are_added(
    place: Path, noted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = result()
    done(f"{SHADOW} --retrained retrained --count 6")
    assert noted == []
    assert result() == before
    shown = capsys.readouterr().out
    assert "tells the 9 images" in shown
    written, offered = shown.splitlines()[-2:]
    assert written == f"Result: {place}/model/shadows/shadow.json"
    assert offered == "Next: unlearning-pl audit --model model --original original --retrained retrained --allow tiny"
    done(f"{SHADOW} --count 4")
    assert noted == []
    assert "too few for LiRA in turn" in capsys.readouterr().out
    done(f"{SHADOW} --count 8")
    assert noted == ["6/original", "6/unlearned", "7/original", "7/unlearned"]
    assert (np.load("model/shadows/scores.npz")["seen"].sum(0) == 4).all()


def test_however_a_folder_is_named_its_runs_are_kept(place: Path, noted: list[str]) -> None:
    done(f"{SHADOW} --count 4")
    words = "--views 3 --count 4 --allow tiny"
    done(f"shadow --model {place}/model --original ./retrained/../original {words} --output model/shadows")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "retrained")
        done(f"shadow --model ../model --original {place}/original {words}")
    assert noted == []


def test_the_result_of_another_model_is_not_lost(
    place: Path, noted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("model", "another")
    before = result()
    words = "shadow --model another --original original --allow tiny --views 3 --count 4 --output"
    assert main(f"{words} model/shadows".split()) == 2
    assert f"which has the result of {place}/model. Give another --output." in capsys.readouterr().err
    assert (noted, result()) == ([], before)
    shutil.move("model", "moved")  # a folder of one's own is never that of another model
    check_output((place / "moved/shadows/shadow.json"), f"{place}/moved")


@pytest.mark.slow
def test_only_what_changed_is_made_again(place: Path, noted: list[str]) -> None:
    done(f"{UNLEARN} --run model --method NegGrad --optimizer.lr 0.01 --overwrite {CPU}")
    shutil.rmtree("model/shadows/2/original")
    done(f"{SHADOW} --count 4")
    assert noted == ["0/unlearned", "1/unlearned", "2/original", "2/unlearned", "3/unlearned"]
    noted.clear()
    done(f"{UNLEARN} --run model --method NegGrad --optimizer.lr 0.01 --overwrite {CPU} --forget.seed 4")
    done(f"{SHADOW} --count 4")
    assert noted == [f"{number}/{name}" for number in range(4) for name in ("original", "unlearned")]
    noted.clear()
    done(f"{SHADOW} --count 4 --seed 1")
    assert len(noted) == 8


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["original", "unlearned"])
def test_an_interrupted_run_goes_on_to_the_same_result(
    stage: str, place: Path, noted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = result()
    shutil.rmtree("model/shadows/5/unlearned")
    shutil.rmtree(f"model/shadows/1/{stage}")
    begin = Learner.on_train_epoch_start

    def interrupted(self: Learner) -> None:
        if self.current_epoch == 1 and str(self.trainer.run_folder).endswith(f"/1/{stage}"):  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        begin(self)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "on_train_epoch_start", interrupted)
        assert main(f"{SHADOW} --retrained retrained --count 6".split()) == 1
    assert "Failed: shadow 1: exit 130" in capsys.readouterr().err
    assert not Path(f"model/shadows/1/{stage}/run.json").exists()
    assert Path("model/shadows/5/unlearned/run.json").exists()
    noted.clear()
    done(f"{SHADOW} --retrained retrained --count 6")
    assert noted == ["1/original", "1/unlearned"][stage == "unlearned" :]
    assert runs.read_record(f"model/shadows/1/{stage}")["command"][-2:] == ["--ckpt_path", "last"]
    assert result() == whole
    done(f"{SHADOW} --retrained retrained --count 6")
    assert noted == ["1/original", "1/unlearned"][stage == "unlearned" :]


def test_a_shadow_model_that_fails_is_named_and_the_others_go_on(
    place: Path, noted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("model/shadows/1")
    Path("model/shadows/1").mkdir()
    Path("model/shadows/1/original").write_text("in the way")
    shutil.rmtree("model/shadows/3")
    assert main(f"{SHADOW} --count 4".split()) == 1
    assert "Failed: shadow 1: exit 2. The others are finished" in capsys.readouterr().err
    assert noted == ["1/original", "3/original", "3/unlearned"]


@pytest.mark.slow
def test_two_at_a_time_are_what_one_after_another_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ours = [str(Path(runs.__file__).parents[2]), str(Path(__file__).parents[1])]  # the second has tiny.py
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*ours, os.environ.get("PYTHONPATH", "")]))
    before = np.load("model/shadows/scores.npz")  # of models that this process made, one after another
    shutil.rmtree("model/shadows/1")
    shutil.rmtree("model/shadows/2")
    done(f"{SHADOW} --count 4 --processes 2")
    after = np.load("model/shadows/scores.npz")
    for name in ("originals", "unlearned", "originals_test", "unlearned_test"):
        assert np.array_equal(after[name], before[name][:4]), name


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with which something is wrong."""
    folder = tmp_path_factory.mktemp("mistaken")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_runs("SimCLR")
        done(f"{UNLEARN} --run one --forget.count 1 {CPU}")
        done(f"unlearn --original model --allow tiny --run further --forget.count 3 {CPU}")
        done(f"unlearn --original retrained --allow tiny --run on_top --forget.count 3 {CPU}")
        done(f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {CPU} --run other --seed_everything 1")
        shutil.copytree("model", "unfinished")
        Path("unfinished/run.json").unlink()
        Path("file").write_text("")
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--count 5", "Expected an even --count >= 4, got 5"),
        ("--count 2", "got 2"),
        ("--count 0", "got 0"),
        ("--views 1", "Expected --views >= 2, got 1"),
        ("--processes 0", "Expected --processes >= 1, got 0"),
        ("--seed -1", "Expected --seed from 0"),
        ("--seed 4294967295", "Expected --seed from 0"),
        ("--model nowhere", "nowhere"),
        ("--model unfinished", "Expected a finished run, got unfinished"),
        ("--model original", "Expected a run of unlearn as --model, got original"),
        ("--model one", "Expected 2 or more images to forget, got 1 in one"),
        ("--model further", "forgot everything in one step, got further"),
        ("--model on_top --original retrained", "forgot everything in one step, got on_top"),
        ("--original other", "Expected the original that model started from, got other. Give original."),
        ("--original model", "Expected the original that model started from, got model. Give original."),
        ("--original nowhere", "nowhere"),
        ("--retrained original", "another forget"),
        ("--retrained model", "as --retrained, got model"),
        ("--output file", "/file (File exists). Choose another --output."),
        ("--cuont 4", "Did you mean --count?"),
    ],
)
def test_a_mistake_gets_one_line_and_trains_nothing(
    words: str,
    message: str,
    mistaken: Path,
    noted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(mistaken)
    capsys.readouterr()
    assert main([*SHADOW.split(), *words.split()]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert noted == []
    assert not Path("model/shadows").exists()


def test_processes_of_torchrun_are_refused(
    mistaken: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mistaken)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(SHADOW.split()) == 2
    assert "Expected one process, got 2" in capsys.readouterr().err
