"""The papers' plans: every documented combination parses, and the gpu size runs with few images."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearning_pl.benchmark import benchmark
from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.plan_variants import find_plan, stack_variants
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.commands.main import main, run

PAPERS = "benchmarks/papers"
CPU = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.precision 32-true"
"""Half precision is slow on CPUs."""


def full_size() -> Iterator[str]:
    """The plans by name, without size."""
    for parts in product(("", "+moco"), ("", "+cifar100"), ("", "+half")):
        yield "muc" + "".join(parts)
    yield from ("muc_clip", "muc_clip+half", "coun+truck")
    for data, half in product(("", "+cifar100", "+cifar100+vgg16", "+cifar100+vit", "+tiny_imagenet"), ("", "+half")):
        yield f"coun{data}{half}"
    for model, data in product(("", "+moco", "+byol", "+resnet"), ("", "+cifar100", "+svhn")):
        classes = "+hundred_classes" if (model, data) == ("+resnet", "+cifar100") else ""
        yield f"gradient_penalty{model}{data}{classes}"


def gpu_size(name: str) -> str:
    return f"{name}+gpu_64" if "tiny_imagenet" in name else f"{name}+gpu"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*full_size(), *map(gpu_size, full_size())])
def test_every_combination_parses(name: str) -> None:
    (plan,) = read_plans([f"{PAPERS}/{name}"])
    assert plan.path.stem == name


def settings(name: str, *runs: str) -> list[dict[str, Any]]:
    """The settings of runs of a plan, as their commands parse them."""
    (plan,) = read_plans([f"{PAPERS}/{name}"])
    lines = [shlex.split(plan.job.runs(0, "runs")[run]) for run in runs]
    model = ["--config", "learners/classifier"]
    return [
        configuration(words if words[0] == "fit" else [words[0], *model, *words[1:], "--original", __file__])
        for words in lines
    ]


def test_variants_of_muc_are_the_authors_moco() -> None:
    (found,) = settings("muc+moco+cifar100+half+gpu", "retrained")
    model, data = found["model"]["init_args"], found["data"]
    assert found["model"]["class_path"].endswith("MoCo")
    assert (model["bn_splits"], model["shuffle"], model["projection_head"]) == (8, True, "linear")
    assert (model["queue_size"], model["temperature"], model["momentum"]) == (4096, 0.1, 0.99)
    assert data["source"]["class_path"].endswith("CIFAR100")
    assert (data["forget"]["count"], data["train_on"], data["batch_size"]) == (22500, "retain", 512)
    assert (found["trainer"]["max_epochs"], found["schedule"]) == (40, "cosine")


def test_rows_of_coun_have_the_authors_rates_and_their_own_weights() -> None:
    original, scrub, both = settings("coun", "original", "scrub_multi_step", "l1_sparse_coun")
    assert (original["schedule"], original["milestones"]) == ("multi_step", [91, 136])
    assert (scrub["schedule"], scrub["milestones"], scrub["trainer"]["max_epochs"]) == ("multi_step", [8, 11, 12], 13)
    assert scrub["method"]["init_args"]["forget_batch_size"] == 64
    assert both["method"]["init_args"]["free_epochs"] == 46
    assert both["plugins"][0]["init_args"]["weight"] == 0.8


def twin(name: str, rows: Sequence[str] | None = None) -> Path:
    """Write a plan of few images, and one epoch, or two where the rate falls after the first."""
    path, variants = find_plan(f"{PAPERS}/{name}")
    content = stack_variants(yaml.safe_load(path.read_text()), variants, path)
    size = 32 if any(part in name for part in ("clip", "vgg16", "vit")) else 8
    key, source = "source", "tiny.FewDigits"
    if "clip" in name:
        key, source = "source.source", f"TemplateCaptions --data.source.source {source}"
    images = f"{source} --data.{key}.train_size 64 --data.{key}.image_size {size}"
    classes = " --model.num_classes 10" if name.startswith("coun") or "+resnet" in name else ""
    smaller = " --model.queue_size 64" if "+moco" in name else ""
    smaller += " --model.backbone resnet9_slim" if size == 8 else ""
    content["fit"] += f" --data.source {images} --data.batch_size 32 {CPU}{classes}{smaller}"
    content["fit"] = short(content["fit"])
    content["forget"] = {"count": 16}
    content["methods"] = {
        row: short(f"{words} {CPU} --data.batch_size 32")
        for row, words in content["methods"].items()
        if rows is None or row in rows
    }
    content["audit"] = "--views 2"
    Path("twin.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return Path("twin.yaml")


def short(words: str) -> str:
    if "multi_step" in words:
        return f"{words} --trainer.max_epochs 2 --milestones [1]" + " --method.max_epochs 1" * ("SCRUB" in words)
    return f"{words} --trainer.max_epochs 1" + " --method.free_epochs 0" * ("L1Sparse" in words)


@pytest.mark.usefixtures("_undrawn")
def test_a_tiny_twin_of_mucs_moco_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = twin("muc+moco+gpu", ["alignment_calibration"])
    (table,) = benchmark(run, [str(plan)], [0], "runs")
    assert "| alignment_calibration" in table.read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")
@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize(
    "name",
    [
        *("muc", "muc+moco", "muc_clip", "coun", "coun+cifar100+vgg16", "coun+cifar100+vit", "coun+tiny_imagenet"),
        *("gradient_penalty", "gradient_penalty+moco", "gradient_penalty+byol", "gradient_penalty+resnet"),
    ],
)
def test_tiny_twins_of_the_gpu_size_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    large = "vgg16" in name or "vit" in name  # the other rows differ from those of `coun` in nothing else
    rows = ["weight_negation_coun"] if large else None
    assert main(["benchmark", str(twin(gpu_size(name), rows)), "--output", "runs"]) == 0
