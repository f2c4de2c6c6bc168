from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from torch import nn

from unlearning_pl.data import ForgetRequest, Source

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))


def parser() -> ArgumentParser:
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--config", action="config")
    made.add_argument("--data.source", type=Source)
    made.add_argument("--data.views", type=nn.Module)
    made.add_argument("--data.forget", type=ForgetRequest, default=ForgetRequest())
    made.add_argument("--data.batch_size", type=int, default=256)
    return made


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_each_config_builds_a_source_and_views_and_names_its_command(config: Path) -> None:
    made = parser()
    data = made.instantiate(made.parse_args(["--config", str(config)])).data
    assert isinstance(data.source, Source)
    assert isinstance(data.views, nn.Module)
    first = config.read_text().splitlines()[0]
    assert first.startswith("# unlearning-pl fit ")
    assert f"--config configs/data/{config.name}" in first


def test_all_configs_are_found() -> None:
    assert [path.stem for path in CONFIGS] == ["cifar10", "cifar100", "cifar10_parquet", "digits"]


def test_options_on_the_command_line_reach_source_and_request() -> None:
    made = parser()
    options = ["--data.source.train_size", "50", "--data.forget.fraction", "0.1", "--data.forget.seed", "3"]
    data = made.instantiate(made.parse_args(["--config", str(CONFIGS[-1]), *options])).data
    assert len(data.source.load()[0]) == 50
    assert data.forget == ForgetRequest(fraction=0.1, seed=3)
