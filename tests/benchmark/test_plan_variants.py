"""A plan's variants stack on it in the order of its name."""

import shlex
from pathlib import Path

import pytest
import yaml

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.errors import InputError

PLAN = {
    "title": "Tiny",
    "fit": "--model SimCLR --trainer.max_epochs 3",
    "forget": {"count": 8},
    "unlearn": "--schedule constant",
    "methods": {"fine_tune": "--method FineTune", "neg_grad": "--method NegGrad --optimizer.lr 0.1"},
    "variants": {
        "short": {"title": "short", "fit": "--trainer.max_epochs 2", "methods": {"neg_grad": "--optimizer.lr 0.2"}},
        "half": {"forget": {"fraction": 0.5}, "fit": "--trainer.max_epochs 1", "methods": {"ssd": "--method SSD"}},
    },
}


@pytest.fixture(autouse=True)
def _plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()


def write(**changes: object) -> None:
    Path("tiny.yaml").write_text(yaml.safe_dump({**PLAN, **changes}, sort_keys=False))


def test_a_plan_without_variants_in_its_name_is_the_plan_above_them() -> None:
    (plan,) = read_plans(["tiny.yaml"])
    assert (plan.title, plan.job.fit, dict(plan.job.forget)) == ("Tiny", PLAN["fit"], PLAN["forget"])
    assert plan.job.methods == PLAN["methods"]


def test_variants_stack_in_the_order_of_the_name_and_the_last_option_wins() -> None:
    one, other = read_plans(["tiny+short+half.yaml", "tiny+half+short.yaml"])
    assert (one.path.stem, other.path.stem) == ("tiny+short+half", "tiny+half+short")
    assert one.title == "Tiny, short"
    assert dict(one.job.forget) == {"fraction": 0.5}
    assert [*one.job.methods] == ["fine_tune", "neg_grad", "ssd"]
    epochs = [
        configuration(shlex.split(plan.job.runs(0, "runs")["original"]))["trainer"]["max_epochs"]
        for plan in (one, other)
    ]
    assert epochs == [1, 2]
    assert one.job.methods["neg_grad"].endswith("--optimizer.lr 0.1 --optimizer.lr 0.2")


def test_a_file_of_that_very_name_comes_first() -> None:
    Path("tiny+short.yaml").write_text(yaml.safe_dump({**PLAN, "title": "Own"}))
    (plan,) = read_plans(["tiny+short.yaml"])
    assert plan.title == "Own"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("tiny+shrt.yaml", {}, r"Expected different variants of tiny.yaml, got 'shrt'. Did you mean short\?"),
        ("tiny+.yaml", {}, r"got ''"),
        ("tiny+short+short.yaml", {}, r"Expected different variants .* got 'short'. Give each once\."),
        ("nothing+short.yaml", {}, r"got 'nothing.yaml', which is no file"),
        ("tiny.yaml", {"variants": ["short"]}, r"names with settings under variants in tiny.yaml, got \['short'\]"),
        ("tiny.yaml", {"variants": {"short": "--x"}}, r"as variants.short in tiny.yaml, got '--x'"),
        ("tiny.yaml", {"variants": {"a": {"variants": {}}}}, r"as variants.a in tiny.yaml"),
        ("tiny.yaml", {"variants": {"a": {"fits": ""}}}, r"Expected the keys of a plan in tiny.yaml, got fits"),
        ("tiny+a.yaml", {"variants": {"a": {"fit": 3}}}, r"Expected text as fit in tiny\+a.yaml, got 3"),
        (
            "tiny+a.yaml",
            {"variants": {"a": {"unlearn": "--original x"}}},
            r"Expected unlearn in tiny\+a.yaml without .*original",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line(name: str, changes: dict[str, object], message: str) -> None:
    write(**changes)
    with pytest.raises(InputError, match=message) as error:
        read_plans([name])
    assert "\n" not in str(error.value)
