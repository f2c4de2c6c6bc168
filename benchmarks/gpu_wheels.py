"""Wheels for a machine with a GPU and no network, whose image has torch and Lightning but not our other dependencies.

    python benchmarks/gpu_wheels.py --folder build/wheels                  # for a Python of the same version
    python benchmarks/gpu_wheels.py --folder build/wheels --python 3.12    # for the image's

Collected is what the package and the tests marked `gpu` need, without torch, torchvision, Lightning, pytest, their own
dependencies, and the large packages of any image for training (``IMAGE``). `make gpu` installs from the folder only
what its interpreter lacks or has in a version that pyproject.toml excludes, into a folder of its own on PYTHONPATH, so
that nothing of the image is replaced.
"""

import argparse
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).parents[1]
NEEDED = ["unlearning-pl", "jsonschema", "open_clip_torch"]
"""The package, and what the tests' conftest.py and the learner of CLIP import."""
IMAGE = ["torch", "torchvision", "lightning", "pytest", "scipy", "scikit-learn", "matplotlib", "pandas", "pyarrow"]
IMAGE += ["tensorboard", "timm", "hypothesis", "rich", "regex", "python-dateutil", "requests"]
"""What images for training have, with everything that it depends on."""
SOURCES = ["antlr4-python3-runtime"]
"""Published as source only."""
SUBFOLDER = "for_make_gpu"
"""Of the folder that is given, which may hold wheels of a user."""
GLIBC = (17, 24, 27, 28, 31, 34, 35)


def closure(roots: Iterable[str], python: str) -> set[str]:
    """Names of distributions and of all that they depend on, as they are installed here, for a version of Python."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in roots]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # a dependency of another platform, or of an extra that is not installed
            continue
        found.add(name)
        for requirement in map(Requirement, lines):
            if any(applies(requirement, extra, python) for extra in ("", *extras)):
                item = (canonicalize_name(requirement.name), frozenset(requirement.extras))
                waiting += [item] if item not in seen else []
                seen.add(item)
    return found


def applies(requirement: Requirement, extra: str, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra, "python_version": python})


def missing_names(python: str) -> list[str]:
    """What an image lacks."""
    return sorted(closure(NEEDED, python) - closure(IMAGE, python) - {"unlearning-pl"})


def collect(folder: Path, python: str) -> list[Path]:
    """Download the wheels, and build those of packages that are published as source."""
    folder = folder / SUBFOLDER
    for wheel in folder.glob("*.whl"):  # two versions of a package would stop the installation
        wheel.unlink()
    names = missing_names(python)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    common = ["--no-deps", "--constraint", str(ROOT / "constraints.txt")]
    built = [name for name in names if name in SOURCES]
    if built:
        subprocess.run([*pip, "wheel", *common, "--wheel-dir", str(folder), *built], check=True)
    platforms = [f"--platform=manylinux_2_{minor}_{platform.machine()}" for minor in GLIBC]
    platforms += [f"--platform=manylinux{tag}_{platform.machine()}" for tag in ("1", "2014")]
    target = ["--only-binary=:all:", "--python-version", python, *platforms]
    subprocess.run(
        [*pip, "download", *common, *target, "--dest", str(folder), *sorted({*names} - {*built})], check=True
    )
    return sorted(folder.glob("*.whl"))


def requirements() -> list[Requirement]:
    """What pyproject.toml asks of the packages that are ``NEEDED``: the package is not installed in an image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {Requirement(line) for lines in project["optional-dependencies"].values() for line in lines}
    needed = {canonicalize_name(name) for name in [*NEEDED, "pytest"]}
    return [Requirement(line) for line in project["dependencies"]] + [
        extra for extra in extras if canonicalize_name(extra.name) in needed
    ]


def violations() -> dict[str, str]:
    """Installed packages whose versions pyproject.toml excludes, by their normalized names.

    Pre-releases of images, such as 2.11.0a0, are versions like others.
    """
    found = {}
    for requirement in requirements():
        try:
            installed = distribution(requirement.name).version
        except PackageNotFoundError:  # reported by the import that fails
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            found[canonicalize_name(requirement.name)] = (
                f"{requirement.name} {installed} is not {requirement.specifier}"
            )
    return found


def is_installed(wheel: Path) -> bool:
    """Whether a package is installed in a version that fits."""
    name = canonicalize_name(wheel.name.split("-")[0])
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return name not in violations()


def install_missing(folder: Path, target: Path) -> list[str]:
    """Install, of a folder's wheels, what this interpreter lacks; returns their names.

    Raises:
        CalledProcessError: If pip fails, as it does with wheels for another Python.
    """
    shutil.rmtree(target, ignore_errors=True)
    folder = folder / SUBFOLDER
    wheels = [wheel for wheel in sorted(folder.glob("*.whl")) if not is_installed(wheel)]
    if wheels:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index"]
        pip += ["--no-deps", "--no-compile", "--find-links", str(folder), "--target", str(target)]
        subprocess.run([*pip, *map(str, wheels)], check=True)
    return [wheel.name.split("-")[0] for wheel in wheels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/wheels"))
    parser.add_argument("--python", default=".".join(platform.python_version_tuple()[:2]), help="The image's, as 3.12.")
    options = parser.parse_args()
    wheels = collect(options.folder.expanduser(), options.python)
    for wheel in wheels:
        sys.stdout.write(f"{wheel.stat().st_size / 1e6:8.2f} MB  {wheel.name}\n")
    sys.stdout.write(f"{sum(wheel.stat().st_size for wheel in wheels) / 1e6:8.2f} MB in {options.folder}\n")


if __name__ == "__main__":
    main()
