import shlex
from pathlib import Path

import pytest
from tiny import allowing

from unlearning_pl.commands.demo import METHODS, commands, demo
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError


@pytest.mark.usefixtures("_undrawn")
def test_the_demo_runs_its_commands_in_order(tmp_path: Path) -> None:
    epoch = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    few = ["--data.source", "tiny.FewDigits", "--data.source.train_size", "400"]
    quick = {"fit": [*epoch, *few], "unlearn": epoch, "audit": ["--views", "2"]}

    def short(words: list[str]) -> None:
        assert main(allowing([*words, *quick[words[0]]])) == 0

    demo(short, seed=3, run=f"{tmp_path}/a place")
    assert (tmp_path / "a place/audit/report.html").is_file()
    assert {path.name for path in (tmp_path / "a place").iterdir()} == {"original", "retrained", "audit", *METHODS}


def test_the_seed_reaches_weights_batches_and_request() -> None:
    assert all("--seed_everything 7" in line for line in commands(7, "runs/demo") if not line.startswith("audit"))
    asked = [word for line in commands(7, "runs/demo") for word in shlex.split(line) if word.endswith("forget.seed")]
    assert len(asked) == 1 + len(METHODS)


def test_a_negative_seed_is_told() -> None:
    with pytest.raises(InputError, match="seed >= 0, got -1"):
        demo(lambda words: None, seed=-1)
