"""The command figures, in process, on tiny digits: each kind draws, and a mistake gets one line."""

import csv
import shutil
from pathlib import Path

import pytest
from made_results import made_results
from tiny import allowing

from unlearning_pl.benchmark.results import Result
from unlearning_pl.commands.main import main
from unlearning_pl.figures.kinds import KINDS

TINY = (
    "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.enable_progress_bar false"
)
FIT = f"fit --model Classifier --model.backbone resnet9_slim --model.num_classes 10 {TINY} --trainer.max_epochs 2"
KEPT = "--trainer.callbacks+=ModelCheckpoint --trainer.callbacks.save_top_k -1"
UNLEARN = "--method FineTune --trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
RUNS = "--model ac --original original --retrained retrained"


def write_results_file(path: str, rows: list[Result]) -> None:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([Result._fields, *(["" if x is None else x for x in row] for row in rows)])


def run(words: str) -> int:
    return main([*allowing(words.split()), *(["--allow", "tiny"] if words.startswith("figures") else [])])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert run(f"{FIT} --run original {KEPT}") == 0
        assert run(f"{FIT} --run retrained --data.train_on retain --data.forget.count 8") == 0
        assert run(f"unlearn --original original --run ac --forget.count 8 {UNLEARN}") == 0
    return made


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.reads == "models"])
def test_a_kind_of_models_draws_all_of_them(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    views = " --views 2" if "views" in KINDS[kind].options else ""
    assert run(f"figures {kind} {RUNS}{views} --output out --accelerator cpu") == 0
    page = Path("out/figures.html")
    assert capsys.readouterr().out == f"Figure: out/{kind}.png\nOpen: {page.resolve().as_uri()}\n"
    with Path(f"out/{kind}.csv").open(newline="") as file:
        models = list(dict.fromkeys(row["model"] for row in csv.DictReader(file) if row["model"]))
    assert models == ["original", "ac", "retrained"]
    assert f"unlearning-pl figures {kind} {RUNS}{views} --output out" in page.read_text()


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.reads == "checkpoints"])
def test_a_kind_of_checkpoints_draws_each_that_the_run_kept(kind: str) -> None:
    views = "--views 2 " if "views" in KINDS[kind].options else ""
    assert run(f"figures {kind} --model original {views}--output out --accelerator cpu") == 0
    with Path(f"out/{kind}.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert list(dict.fromkeys((row["model"], row["epoch"]) for row in rows)) == [("epoch 1", "1.0"), ("epoch 2", "2.0")]
    assert {row["split"] for row in rows} == {"train", "test"}


def test_weights_that_a_run_did_not_end_with_are_named(tmp_path: Path) -> None:
    shutil.copytree("ac", tmp_path / "replaced")
    shutil.copy("original/checkpoints/last.ckpt", tmp_path / "replaced/checkpoints/last.ckpt")
    with pytest.warns(UserWarning, match="^replaced: "):
        assert run(f"figures batch_loss --model {tmp_path}/replaced --output out --rows 2 --accelerator cpu") == 0


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.reads == "results"])
def test_a_kind_of_results_draws_one_plan(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row._replace(passes=500) for row in made_results({"ng": [0.2, 0.3], "ng_coun": [0.1, 0.1]})]
    write_results_file("results.csv", rows)
    write_results_file("two.csv", [*rows, *made_results({"ng": [0.1]}, plan="other")])
    assert run(f"figures {kind} --results results.csv --output out") == 0
    assert Path(f"out/{kind}.csv").read_text().count("ng") >= 2
    assert run(f"figures {kind} --results two.csv --output out") == 2
    assert "Expected results of one plan, got those of tiny, other" in capsys.readouterr().err
    assert run(f"figures {kind} --results results.csv --data.workers 2") == 2
    assert "got --data.workers, which it does not read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "kind"),
        (f"gradient_norm {RUNS}", "Expected a kind of figure, got 'gradient_norm'. Did you mean gradient_norms?"),
        ("gradient_norms", "Expected --model for gradient_norms, got none"),
        (f"gradient_norms {RUNS} --rows 0", "rows"),
        ("gradient_norms --model nowhere", "got nowhere"),
        (
            "gradient_norms --model ac --original retrained",
            "Expected a run of fit with data.train_on = all as --original",
        ),
        (f"gradient_norms {RUNS} --output original/run.json", "Expected a writable folder, got original/run.json"),
        (f"gradient_norms {RUNS} --data.source.train_size 40", "fingerprint"),
        (f"gradient_norms {RUNS} --row 4", "--rows"),
        (
            f"gradient_norms {RUNS} --views 3",
            "Expected --model, --original, --retrained, --rows for gradient_norms, got",
        ),
        ("plug_in_gain", "Expected --results for plug_in_gain, got none. Give results of a benchmark."),
        ("plug_in_gain --results nowhere", "Expected results, got nowhere, which does not exist"),
        ("plug_in_gain --results results.csv --model ac", "Expected --results for plug_in_gain, got --model, which it"),
        ("similarity_over_training --model ac --original original", "got --original, which it does not read"),
        (
            "similarity_over_training --model original ac",
            "Expected one run as --model of similarity_over_training, got 2",
        ),
        ("similarity_over_training --model ac", "Expected two checkpoints or more of ac, got 1"),
        ("similarity_over_training --model original --views 1", "Expected views >= 2, got 1"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in Path().iterdir())
    assert run(f"figures {words}") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert sorted(path.name for path in Path().iterdir()) == before
