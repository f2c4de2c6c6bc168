"""Every configuration is parsed and run; its first line is the command that runs it."""

import re
import shlex
from pathlib import Path

import pytest

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.cli.shipped_configs import describe_config
from unlearning_pl.commands.main import main

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml"))
PLANS = [file for file in FILES if file.startswith("configs/benchmarks/")]
OLDER = ("configs/benchmarks/cifar10_", "configs/benchmarks/digits_")  # their rows are like those of the others
RANGES = [file for file in FILES if file.startswith("configs/tuning/")]  # tests/benchmark/test_tuning_ranges.py
CONFIGS = [file for file in FILES if file not in PLANS + RANGES]
CIFAR = ROOT.parent / "shared" / "data" / "cifar10"
TINY = "--data.source.train_size 32 --data.batch_size 8 --trainer.fast_dev_run true --trainer.enable_progress_bar false"
NAMED = [
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "svhn",
    "stl10",
    "tiny_imagenet",
    "oxford_pets",
    "flickr8k_table",
    "hub",
    "folder",
    "shards",
]
DOWNLOADS = {*(f"configs/data/{name}.yaml" for name in NAMED), "configs/experiments/simclr_cifar10.yaml"}
DIGITS = "--data.source Digits --data.source.image_size 8"


@pytest.fixture(autouse=True)
def _beside_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder and, where it exists, the shared data beside it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "shared").symlink_to(CIFAR.parents[1])
    monkeypatch.chdir(tmp_path / "project")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "original"
    tiny = TINY.replace("--trainer.fast_dev_run true", "--trainer.max_epochs 1")
    assert (
        main(
            shlex.split(
                f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {tiny} --data.validation 0.2 --run {run}"
            )
        )
        == 0
    )
    return run


def first_line(config: str) -> str:
    return (ROOT / config).read_text().splitlines()[0]


def test_all_rooms_are_found() -> None:
    rooms = {"benchmarks", "data", "experiments", "learners", "methods", "trainer", "tuning", "views"}
    assert {Path(file).parts[1] for file in FILES} == rooms


@pytest.mark.parametrize("config", FILES)
def test_the_next_comment_says_what_it_is(config: str) -> None:
    text = describe_config(ROOT / config)
    assert text.endswith(".")
    assert len(text) <= 120


@pytest.mark.parametrize(
    "plan", [pytest.param(plan, marks=pytest.mark.slow if plan.startswith(OLDER) else ()) for plan in PLANS]
)
def test_every_command_line_of_a_plan_parses(plan: str) -> None:
    assert first_line(plan) == f"# unlearning-pl benchmark {plan}"
    (read,) = read_plans([plan])
    assert "fine_tune" in read.job.methods


@pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")  # one epoch is none of its own
@pytest.mark.parametrize("config", CONFIGS)
def test_the_first_line_is_the_command_that_runs_it(config: str, original: Path) -> None:
    line = first_line(config)
    assert line.startswith("# unlearning-pl ")
    assert f"--config {config}" in line
    named = re.findall(r"--config (\S+)", line)
    assert set(named) <= set(CONFIGS)
    words = line.removeprefix("# unlearning-pl ").replace("runs/original", str(original))
    if DOWNLOADS & set(named):
        words += " --data.views JitterViews"
        tiny = f"{DIGITS} {TINY}"  # the data are absent, or would be downloaded: everything else is run on digits
    elif any("../shared/data" in (ROOT / name).read_text() for name in named):
        if not CIFAR.exists():
            pytest.skip("the shared image files are not beside this checkout")
        tiny = f"{TINY} --data.source.test_size 32"
        if any("TemplateCaptions" in (ROOT / name).read_text() for name in named):
            tiny = tiny.replace("--data.source.t", "--data.source.source.t")  # sizes are those of the images' source
    else:
        tiny = TINY
    if words.startswith("views"):
        untrained = re.sub(r" --trainer\S+ \S+", "", tiny)
        assert main(shlex.split(f"{words} {untrained}")) == 0
        return
    cpu = "--trainer.accelerator cpu --trainer.devices 1 --trainer.strategy auto --trainer.sync_batchnorm false"
    assert main(shlex.split(f"{words} {tiny} {cpu}")) == 0


def test_a_plug_in_joins_the_method_of_an_earlier_file(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacked = "--config configs/methods/neg_grad.yaml --config configs/methods/coun.yaml"
    with pytest.raises(SystemExit):
        main(shlex.split(f"unlearn --original {original} {stacked} --forget.count 8 --print_config"))
    shown = capsys.readouterr().out
    assert "methods.NegGrad" in shown
    assert "methods.CoUn" in shown


@pytest.mark.skipif(not CIFAR.exists(), reason="the shared CIFAR-10 files are not beside this checkout")
def test_the_whole_job_on_cifar_by_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    fit = "fit --config configs/experiments/simclr_cifar10_slim.yaml --data.source.train_size 64"
    small = "--data.source.test_size 40 --data.batch_size 32"
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    assert main(shlex.split(f"{fit} {small} {short}")) == 0
    assert main(shlex.split(f"{fit} {small} {short} --data.train_on retain --data.forget.fraction 0.1")) == 0
    method = "--config configs/methods/alignment_calibration.yaml"
    assert main(shlex.split(f"unlearn --original runs/original {method} --forget.fraction 0.1 {short}")) == 0
    references = "--original runs/original --retrained runs/retrained"
    assert main(shlex.split(f"audit --model runs/alignment_calibration {references} --views 2")) == 0
    assert "alignment_calibration" in capsys.readouterr().out
    assert Path("runs/alignment_calibration/audit/report.html").is_file()
