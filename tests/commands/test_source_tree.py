"""Commands run from a source tree that is not installed, where the package has no metadata."""

import json
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

from unlearning_pl.commands.main import main

SHORT = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]


def test_trainings_need_no_metadata_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_name = Distribution.from_name

    def without_ours(name: str) -> Distribution:
        if name.replace("_", "-") == "unlearning-pl":
            raise PackageNotFoundError(name)
        return from_name(name)

    monkeypatch.setattr(Distribution, "from_name", without_ours)
    original, unlearned = str(tmp_path / "original"), str(tmp_path / "unlearned")
    source = ["--data.source", "Digits", "--data.source.train_size", "40", "--data.source.image_size", "8"]
    source = [*source, "--model", "Classifier", "--data.views", "JitterViews"]
    assert main(["fit", *source, "--run", original, *SHORT]) == 0
    assert main(["unlearn", "--original", original, "--run", unlearned, "--forget.count", "5", *SHORT]) == 0
    for run in (original, unlearned):
        assert json.loads((Path(run) / "run.json").read_text())["versions"]["unlearning-pl"] == "not installed"
