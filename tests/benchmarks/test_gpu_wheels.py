"""`make gpu-wheels` collects the packages that an image with torch lacks; `make gpu` installs what is missing."""

import platform
import zipfile
from importlib.metadata import requires, version
from pathlib import Path
from types import SimpleNamespace

import gpu_wheels
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHON = ".".join(platform.python_version_tuple()[:2])


def make_wheel(folder: Path, name: str) -> None:
    """A wheel of one module."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": "", f"{name}-9.9.dist-info/METADATA": metadata, f"{name}-9.9.dist-info/WHEEL": tags}
    files[f"{name}-9.9.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files)
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-9.9-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def test_what_images_have_is_not_collected() -> None:
    names = gpu_wheels.missing_names("3.12")
    assert {"jsonargparse", "kornia", "kornia-rs", "lightly", "antlr4-python3-runtime", "typeshed-client"} <= {*names}
    assert not {"torch", "torchvision", "lightning", "pytorch-lightning", "numpy", "scipy", "unlearning-pl"} & {*names}
    assert not [name for name in names if name.startswith("nvidia")]


def test_every_dependency_is_of_the_image_or_collected() -> None:
    """Of this package and of all that is collected, as pip evaluates their markers for this Python."""
    image, names = gpu_wheels.closure(gpu_wheels.IMAGE, PYTHON), gpu_wheels.missing_names(PYTHON)
    for name in ["unlearning-pl", *names]:
        needed = [Requirement(line) for line in requires(name) or []]
        direct = {canonicalize_name(r.name) for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})}
        assert direct <= image | {*names}, name


def test_dependencies_of_extras_are_followed() -> None:
    assert "docstring-parser" in gpu_wheels.closure(["unlearning-pl"], "3.12")  # of jsonargparse[signatures]
    assert "docstring-parser" not in gpu_wheels.closure(["jsonargparse"], "3.12")


def test_a_package_of_the_image_is_not_replaced(tmp_path: Path) -> None:
    for name in ("torch", "surely_missing"):
        make_wheel(tmp_path / gpu_wheels.SUBFOLDER, name)
    make_wheel(tmp_path, "of_a_user")
    site = tmp_path / "site"
    (site / "left_over").mkdir(parents=True)
    assert gpu_wheels.install_missing(tmp_path, site) == ["surely_missing"]
    assert sorted(path.name for path in site.iterdir()) == ["surely_missing-9.9.dist-info", "surely_missing.py"]


def test_a_version_that_pyproject_excludes_is_named_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpu_wheels.violations() == {}  # of this environment, which pip has resolved
    versions = {"kornia": "0.8.1", "torch": "3.0", "pytest": "7.4.4", "lightly": "1.6.0a1"}
    monkeypatch.setattr(
        gpu_wheels, "distribution", lambda name: SimpleNamespace(version=versions.get(name) or version(name))
    )
    assert {*gpu_wheels.violations()} == {"kornia", "torch", "pytest", "lightly"}
    assert gpu_wheels.violations()["kornia"].startswith("kornia 0.8.1 is not ")
    for name in ("kornia", "torchmetrics"):
        make_wheel(tmp_path / gpu_wheels.SUBFOLDER, name)
    assert gpu_wheels.install_missing(tmp_path, tmp_path / "site") == ["kornia"]


def test_wheels_of_a_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path, "kornia")
    make_wheel(tmp_path / gpu_wheels.SUBFOLDER, "kornia")
    monkeypatch.setattr(gpu_wheels.subprocess, "run", lambda *_, **__: None)
    assert gpu_wheels.collect(tmp_path, "3.12") == []
    assert [path.name for path in tmp_path.rglob("*.whl")] == ["kornia-9.9-py3-none-any.whl"]
    assert list(tmp_path.glob("*.whl"))


def test_without_wheels_nothing_is_installed(tmp_path: Path) -> None:
    assert gpu_wheels.install_missing(tmp_path / "missing", tmp_path / "site") == []
