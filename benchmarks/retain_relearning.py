"""Which methods only hide: retain-only relearning and the gradient attack on all methods of benchmark plans.

python benchmarks/retain_relearning.py --seeds 0 1 2

The plans are those of the digits by default. Their runs are made by the benchmark, in OUTPUT/PLAN/seedK, and kept if
they are finished; their audits are made anew with both measures. The page has command, seeds, versions and hardware.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from unlearning_pl.benchmark import benchmark
from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.benchmark.benchmark_table import cell, is_above_zero
from unlearning_pl.commands.main import run
from unlearning_pl.training import runs

PLANS = ["configs/benchmarks/digits_simclr.yaml", "configs/benchmarks/digits_classifier.yaml"]
REFERENCES = ("original", "retrained")
FIGURES = (("UA %", "accuracy", 1), ("AUC", "auc", 3), ("Loss", "loss", 4))
INTRODUCTION = """\
A copy of each model was trained for {epochs} epochs on the retain images alone (SGD, rate 0.01, momentum 0.9), which
brings back what was only hidden. UA, AUC (forget against test) and loss of the forget images: before, then after.
Gradient AUC: the gradient attack on the model as it is. docs/audits.md defines all of them. Mean ± standard deviation
over the seeds {seeds}.

"Gives back" names the figures that relearning moved further than those of the retrained model of the same seed (UA and
AUC up, the loss down), with the mean excess: where it is above 0 by a one-sided t-test over the seeds at 5 %, which is
not corrected for the number of methods. With one seed nothing is tested."""


def planned(path: str, epochs: int, methods: Sequence[str], folder: Path) -> Path:
    """A copy of a plan whose audit has both measures, with some of its methods, or all."""
    plan = yaml.safe_load(Path(path).read_text())
    if methods:
        plan["methods"] = {name: words for name, words in plan["methods"].items() if name in methods}
    plan["audit"] = f"{plan.get('audit', '')} --retain_relearning {epochs} --gradient_attack true".strip()
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / Path(path).name
    copy.write_text(yaml.safe_dump(plan, sort_keys=False))
    return copy


def read(report: Path) -> dict[str, dict[str, Any]]:
    return {audit["name"]: audit for audit in json.loads(report.read_text())["audits"]}


def given_back(model: str, seeds: Sequence[dict[str, dict[str, Any]]]) -> list[str]:
    """Figures that relearning moves towards "trained on", beyond the retrained model's: their mean excess."""
    found = []
    for title, key, digits in FIGURES:
        excess = [change(seed[model], key) - change(seed["retrained"], key) for seed in seeds]
        excess = [-value if key == "loss" else value for value in excess]
        if is_above_zero(excess):
            found.append(f"{title.removesuffix(' %')} ({cell(excess, digits)})")
    return found


def change(audit: dict[str, Any], key: str) -> float:
    values = audit["retain_relearning"][key]
    return values[-1] - values[0] if values else math.nan


def table(seeds: Sequence[dict[str, dict[str, Any]]]) -> str:
    """One row a model that every seed has."""
    models = [name for name in seeds[0] if all(complete(seed.get(name)) for seed in seeds)]
    headings = [f"{title}, {when}" for title, _, _ in FIGURES for when in ("before", "after")]
    rows = [["Model", *headings, "Gradient AUC", "Gives back"]]
    for name in models:
        cells = []
        for _, key, digits in FIGURES:
            curves = [seed[name]["retain_relearning"][key] for seed in seeds]
            cells += [cell([curve[at] for curve in curves if curve], digits) for at in (0, -1)]
        gradient = [seed[name]["metrics"]["gradient_auc"] for seed in seeds if "gradient_auc" in seed[name]["metrics"]]
        back = "" if name == "retrained" else ", ".join(given_back(name, seeds))
        rows.append([name, *cells, cell(gradient, 3), back])
    lines = [" | ".join(row) for row in rows]
    others = sorted({name for seed in seeds for name in seed} - set(models))
    note = f"\n\nDiverged while relearning, or missing, in some seed: {', '.join(others)}." if others else ""
    return "\n".join([f"| {lines[0]} |", "|---" * len(rows[0]) + "|", *(f"| {line} |" for line in lines[1:])]) + note


def complete(audit: dict[str, Any] | None) -> bool:
    """Whether a model was audited, and did not diverge while it was relearning."""
    return audit is not None and "retain_relearning_auc" in audit["metrics"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plans", nargs="*", default=PLANS, help="Plans of benchmarks.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10, help="Epochs of relearning.")
    parser.add_argument("--methods", nargs="*", default=[], help="Names of the plans' methods; all by default.")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"), help="Folder of the runs.")
    parser.add_argument("--page", type=Path, default=Path("docs/results/retain_relearning.md"))
    options = parser.parse_args()
    plans = [planned(path, options.epochs, options.methods, options.output / "plans") for path in options.plans]
    benchmark(run, [str(path) for path in plans], options.seeds, str(options.output))
    command = " ".join(["python benchmarks/retain_relearning.py", *sys.argv[1:]])
    seeds = ", ".join(map(str, options.seeds))
    parts = ["# Which methods only hide", f"    {command}"]
    parts.append(INTRODUCTION.format(epochs=options.epochs, seeds=seeds))
    for plan in read_plans([str(path) for path in plans]):
        folders = [options.output / plan.path.stem / f"seed{seed}" for seed in options.seeds]
        parts += [f"## {plan.title}", table([read(folder / "audit/report.json") for folder in folders])]
    facts = runs.environment()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts.append(f"Audits: {facts['hardware']}; {versions}.")
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text("\n\n".join(parts) + "\n")
    print(f"Page: {options.page}")


if __name__ == "__main__":
    main()
