"""One process parses many command lines: each as if it were the first."""

import pytest

from unlearning_pl.cli.finished_runs import _ParseOnlyCLI, configuration
from unlearning_pl.errors import InputError

OPTIONS = "--model MoCo --model.temperature 0.3 --optimizer.lr 0.2 --trainer.max_epochs 3 --data.batch_size 8"
FIT = ["fit", *OPTIONS.split()]
PLAIN = ["fit", "--model", "SimCLR"]


@pytest.fixture(autouse=True)
def _none_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ParseOnlyCLI, "_parsers", {})


def test_an_earlier_line_leaves_nothing_over() -> None:
    alone = configuration(PLAIN)
    _ParseOnlyCLI._parsers.clear()
    assert configuration(FIT)["model"]["init_args"]["temperature"] == 0.3
    assert [*_ParseOnlyCLI._parsers] == ["fit"]
    assert configuration(PLAIN) == alone


@pytest.mark.parametrize("other", ["--plugins+=CoUn --plugins.weight 0.3", "--milestones+=5 --schedule multi_step"])
def test_nor_do_lists_that_a_line_adds_to(other: str) -> None:
    """Without a run: its settings come from a --config."""
    plain = ["unlearn", "--config", "{model: SimCLR}", "--original", __file__]  # the parser accepts any file as weights
    alone = configuration(plain)
    _ParseOnlyCLI._parsers.clear()
    assert configuration([*plain, "--method", "NegGrad", *other.split()]) != alone
    assert configuration(plain) == alone


@pytest.mark.parametrize("wrong", ["--model Nothing", "--optimizer.lr fast", "--trainer.max_epochs"])
def test_nor_does_one_that_does_not_parse(wrong: str) -> None:
    alone = configuration(PLAIN)
    with pytest.raises(InputError):
        configuration([*FIT, *wrong.split()])
    assert configuration(PLAIN) == alone


def test_nor_does_one_that_prints_instead(capsys: pytest.CaptureFixture[str]) -> None:
    alone = configuration(PLAIN)
    with pytest.raises(SystemExit):
        configuration([*FIT, "--print_config"])
    assert "MoCo" in capsys.readouterr().out
    with pytest.raises(InputError):  # asked to print, and failed before it did
        configuration([*FIT, "--print_config", "--optimizer.lr", "fast"])
    assert configuration(PLAIN) == alone
    assert not capsys.readouterr().out
