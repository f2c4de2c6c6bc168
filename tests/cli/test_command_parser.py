"""Commands that are not Lightning's take the data of the configurations that training takes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from unlearning_pl.cli.command_parser import add_data, data_from_options, make_parser, parse_args
from unlearning_pl.cli.exit_status import exit_status
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import Digits, ForgetRequest, UnlearningData

CONFIGS = Path(__file__).parents[2] / "configs"


def data(*words: str | Path) -> UnlearningData:
    parser = make_parser("split", "Preview a request.")
    add_data(parser)
    return data_from_options(parse_args(parser, [str(word) for word in words]))


def test_configurations_stack_and_options_come_last() -> None:
    first, second = CONFIGS / "data/cifar10_parquet.yaml", CONFIGS / "data/digits.yaml"
    found = data("--config", first, "--config", second, "--data.forget.count", "3")
    assert type(found.source) is Digits
    assert (found.batch_size, found.forget) == (100, ForgetRequest(count=3))


def test_what_a_file_says_of_training_is_left_out(tmp_path: Path) -> None:
    experiment = CONFIGS / "experiments/classifier_digits.yaml"
    assert data("--config", experiment, "--config", CONFIGS / "methods/salun.yaml").validation == 0.1
    made_by = ["fit", "--config", str(experiment), "--data.train_on", "retain", "--data.forget.classes", "3"]
    (tmp_path / "config.yaml").write_text(json.dumps(configuration(made_by)))
    found = data("--config", tmp_path / "config.yaml")
    assert (found.train_on, found.forget.classes, found.batch_size) == ("retain", ["3"], 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "a.yaml', which is no file. Run `unlearning-pl configs`"),
        ("data: 3", "Expected YAML with settings under data, got "),
        ("- data", "Expected YAML with settings under data, got "),
        ("data: {", "Expected YAML with settings under data, got "),
        (b"\xff\xfe\x00", "Expected YAML with settings under data, got "),
        ("data: {forgt: {count: 1}}", "Did you mean data.forget.count?"),
        ("show: 3", "Expected an option of unlearning-pl split, got show"),
        ("data: {source: {class_path: Digit}}", "Expected a class for data.source, got Digit. Did you mean Digits?"),
        ("data: {source: {class_path: Digits, init_args: {train_size: 0}}}", "Expected train_size from 1 to 1000"),
    ],
)
def test_a_mistake_in_a_file_gets_one_line(text: str | bytes | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        data("--config", tmp_path / "a.yaml")
    code, line = exit_status(caught.value)
    assert (code, len(line.splitlines())) == (2, 1)


def test_a_command_without_data_takes_its_own_options_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"model": {"class_path": "SimCLR"}}))
    with pytest.raises(ValueError, match=r"got model\.class_path"):
        parse_args(make_parser("demo", "All."), ["--config", str(tmp_path / "a.yaml")])
