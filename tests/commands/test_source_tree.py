"""Commands run from a source tree that is not installed, where the package has no metadata."""

import json
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

from unlearning_pl.commands.main import main

SHORT = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]


@pytest.mark.usefixtures("_undrawn_here")
def test_commands_need_no_metadata_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert main(["audit", "--model", unlearned, "--original", original, "--views", "2"]) == 0
    for file in ("run.json", "audit/report.json"):
        assert '"unlearning-pl": "not installed"' in json.dumps(json.loads((Path(unlearned) / file).read_text()))
