"""The wheel, built from the source distribution, in an environment of its own runs the README in an empty folder.

Nothing is downloaded: setuptools of this environment builds, and its other packages are on the path of the new one.
"""

import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from documented import commands

from unlearning_pl import __version__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SOURCES = (
    *("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff"),
    *("unlearning_pl", "configs"),
)
CONFIGS = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
FAST = "--trainer.accelerator cpu --trainer.enable_progress_bar false"
SHORT = f"--trainer.max_epochs 1 {FAST}"
DEMO = f"""
from unlearning_pl.commands.demo import demo
from unlearning_pl.commands.main import run
added = {{"fit": "{SHORT} --data.source.train_size 80", "unlearn": "{SHORT}", "audit": "--views 2"}}
demo(lambda words: run([*words, *added[words[0]].split()]))
"""
pytestmark = pytest.mark.slow


def run(*words: str | Path, cwd: Path, path: str | None = None) -> str:
    """Run a program that sees nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": path or os.environ["PATH"]}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, made of a copy of the checkout, and the wheel that is built from it."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = "from setuptools import build_meta; import sys; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, dist, cwd=source)
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", dist, *dist.glob("*.tar.gz"), cwd=dist)
    return dist


@pytest.fixture(scope="module")
def programs(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment, in which the wheel is installed."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=dist)
    (packages,) = environment.glob("lib/python3*/site-packages")
    # Paths in a .pth file come after the environment's own, and the editable installation in them is not followed.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin/python")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", *dist.glob("*.whl"), cwd=dist)
    return environment / "bin"


@pytest.fixture(scope="module")
def folder(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's commands ran, the trainings for one epoch."""
    folder = tmp_path_factory.mktemp("empty")
    for line in commands(README):
        shell(f"unlearning-pl {line} {'--views 3' if line.startswith('audit') else SHORT}", programs, folder)
    return folder


def shell(line: str, programs: Path, folder: Path) -> str:
    """Run a line as a user types it."""
    return run("bash", "-c", line, cwd=folder, path=f"{programs}:{os.environ['PATH']}")


def test_source_and_wheel_hold_the_configurations(dist: Path) -> None:
    (archive,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    with tarfile.open(archive) as opened:
        sources = {name.partition("/")[2] for name in opened.getnames()}
    assert {*SOURCES, *CONFIGS} <= sources
    with zipfile.ZipFile(wheel) as installed:
        names = installed.namelist()
    assert {f"unlearning_pl/{name}" for name in CONFIGS} == {name for name in names if name.endswith(".yaml")}
    assert {name.partition("/")[0] for name in names} == {"unlearning_pl", f"unlearning_pl-{__version__}.dist-info"}
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "unlearning_pl").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= {*names}


def test_the_commands_of_the_readme_run_in_an_empty_folder(folder: Path, programs: Path) -> None:
    place = shell("python -c 'import unlearning_pl; print(unlearning_pl.__file__)'", programs, folder)
    assert programs.parent in Path(place).parents
    assert {path.name for path in folder.iterdir()} == {"runs"}
    assert (folder / "runs/alignment_calibration/audit/report.html").is_file()
    assert "Each step's own share" in (folder / "runs/second/audit/report.html").read_text()
    assert "site-packages" not in (folder / "runs/original/config.yaml").read_text()


def test_two_processes_start_as_the_readme_starts_them(folder: Path, programs: Path) -> None:
    (line,) = re.findall(r"^unlearning-pl unlearn .*trainer/ddp.*$", README, flags=re.MULTILINE)
    processors = "--trainer.devices 2 --trainer.precision 32-true --run runs/two"
    shell(f"{line} {SHORT} {processors}", programs, folder)
    assert (folder / "runs/two/run.json").is_file()


def test_the_python_of_the_readme_runs(programs: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "job.py").write_text(re.sub(r"max_epochs=\d+", "max_epochs=1, accelerator='cpu'", block))
    assert 0 <= float(shell("python job.py", programs, tmp_path).split()[-1]) <= 1


def test_the_other_commands_need_no_checkout(folder: Path, programs: Path, tmp_path: Path) -> None:
    listed = shell("unlearning-pl configs", programs, tmp_path)
    assert {line.split()[0] for line in listed.splitlines() if line} == {name[8:-5] for name in CONFIGS}
    shell("unlearning-pl configs copy views/digits --to mine", programs, tmp_path)
    shell("unlearning-pl views --config data/digits --config mine/digits.yaml --images 2", programs, tmp_path)
    shell("unlearning-pl split --config configs/data/digits.yaml --data.forget.fraction 0.1", programs, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "views.png"}


def test_the_demo_needs_no_checkout(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text(DEMO)
    assert "gradient_penalty" in shell("python short.py", programs, tmp_path)
    assert (tmp_path / "runs/demo/audit/report.html").is_file()
