"""All that a machine with a GPU can check, within a budget: a table, and JSON beside it.

    make gpu [PLAN=configs/benchmarks/cifar10_simclr.yaml] [BUDGET=520] [GPU_OUT=build/gpu]
    make gpu TINY=1                     # the same on a CPU, with tiny sizes
    python benchmarks/gpu_checks.py     # by this interpreter, of an image with torch and Lightning

Stages, the most valuable first: device and versions; the tests marked `gpu`; images a second of SimCLR and of a
classifier, beside a bare loop; a trace; the same trainings compiled; and, for the time that is left, a benchmark plan.
Each gets the seconds that are left, the tests at most 45 % of the budget and each compiled training 25 %. The exit
status is 1 if one failed or was stopped, but for the plan. Nothing is downloaded: packages that the interpreter lacks
come from `make gpu-wheels`.
"""

import argparse
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpu_wheels
from gpu_stages import Outcome, Stage, run_stage, stem, table

ROOT = Path(__file__).parents[1]
HERE = "benchmarks"
REAL = "--backbone resnet18 --batch 512 --precision bf16-mixed --accelerator gpu --images 25600"
TINY = "--backbone resnet9_slim --batch 32 --precision bf16-mixed --accelerator cpu --images 96 --size 16"
"""Options of the trainings: an epoch has 50 steps, or 3."""


def gpu_test_files() -> list[str]:
    """Files with tests marked `gpu`; others may need packages that an image lacks."""
    marked = re.compile(r"mark\.gpu\b|\bplaced\(")
    return [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if marked.search(path.read_text())
    ]


def tests(options: argparse.Namespace) -> Stage:
    """Other versions of torch and Lightning warn of other things, so warnings are errors with TINY alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:benchmark", "-p", "no:cacheprovider"]
    marks = "gpu and not slow" if options.tiny else "gpu"
    command += ["-m", marks, "--device", "cpu" if options.tiny else "cuda"]
    command += [] if options.tiny else ["-W", "default"]
    processes = min(8, os.cpu_count() or 1)
    if importlib.util.find_spec("xdist") and processes > 1 and not options.tiny:
        command += ["--numprocesses", str(processes), "--dist", "loadscope"]
    return Stage("tests marked gpu", [*command, *gpu_test_files()], fraction=0.45)


def throughput(learner: str, mode: str | None, options: argparse.Namespace) -> Stage:
    name = learner if mode is None else f"{learner}, compile {mode}"
    if mode is not None and options.tiny:
        return Stage(name, [], lambda: "compiling takes longer than all tiny stages")
    file = options.out / f"{stem(name)}.json"
    counts = "--steps 3 --rounds 1" if options.tiny else "--steps 100 --rounds 3"
    command = [sys.executable, f"{HERE}/throughput.py", "--learner", learner, *trained(options), *counts.split()]
    command += [] if mode is None else ["--compile", mode]

    def describe() -> str:
        rates: dict[str, float] = json.loads(file.read_text())["images_per_second"]
        first = next(iter(rates.values()))
        return ", ".join(f"{way} {rate:.0f}/s ({rate / first:.2f})" for way, rate in rates.items())

    return Stage(name, [*command, "--output", str(file)], describe, fraction=1.0 if mode is None else 0.25)


def trace(options: argparse.Namespace) -> Stage:
    name = "trace of SimCLR"
    file = options.out / f"{stem(name)}.json"
    command = [sys.executable, f"{HERE}/trace_step.py", *trained(options), "--steps", "3" if options.tiny else "20"]
    command += ["--trace", str(options.out / "trace.json"), "--output", str(file)]

    def describe() -> str:
        figures: dict[str, float] = json.loads(file.read_text())["figures"]
        return ", ".join(f"{key} {value:.3g}" for key, value in figures.items())

    return Stage(name, command, describe)


def trained(options: argparse.Namespace) -> list[str]:
    return (TINY if options.tiny else REAL).split()


def stages(options: argparse.Namespace) -> Iterator[Stage]:
    """The compiled trainings come late, since the time that they take to compile is unknown."""
    command = [sys.executable, f"{HERE}/gpu_environment.py", "--output", str(options.out / "environment.json")]
    yield Stage("environment", command + ["--tiny"] * options.tiny, lambda: environment_line(environment(options.out)))
    yield tests(options)
    for mode in (None, "graphs", "true"):
        for learner in ("SimCLR", "Classifier"):
            yield throughput(learner, mode, options)
        if mode is None:
            yield trace(options)
    if options.plan:
        words = ["benchmark", *shlex.split(options.plan), "--output", str(options.out / "benchmark")]
        yield Stage("plan", [sys.executable, "-m", "unlearning_pl", *words], for_rest=True)


def environment(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "environment.json").read_text())
    return content


def environment_line(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {found['versions'][name]}" for name in ("torch", "lightning"))
    device = f"{found['device']}, {versions}, driver {found['driver']}"
    return "; ".join([device, *found["errors"], *found["violations"]])


def write(options: argparse.Namespace, outcomes: list[Outcome], seconds: float) -> None:
    """Write the outcomes so far: a command that is stopped loses one stage at most."""
    rows = [row.as_dict() for row in outcomes]
    for row in rows:
        file = options.out / f"{stem(row['name'])}.json"
        row["figures"] = json.loads(file.read_text()) if file.exists() and row["result"] == "passed" else None
    content = {"budget": options.budget, "tiny": options.tiny, "seconds": seconds, "stages": rows}
    part = options.out / "gpu.json.part"
    part.write_text(json.dumps(content, indent=2))
    part.replace(options.out / "gpu.json")


def delete_figures(options: argparse.Namespace) -> None:
    """Delete the files of an earlier run, and no other file: the folder may hold a user's."""
    for name in ["gpu", "trace", *(stem(stage.name) for stage in stages(options))]:
        (options.out / f"{name}.json").unlink(missing_ok=True)


def run(options: argparse.Namespace) -> list[Outcome]:
    start = time.monotonic()
    path = [str(ROOT), str(options.site), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
    outcomes: list[Outcome] = []
    for stage in stages(options):
        left = options.budget - (time.monotonic() - start)
        threads = {"OMP_NUM_THREADS": "1"} if stage.name.startswith("tests") else {}
        seconds = min(left, stage.fraction * options.budget)
        outcomes.append(run_stage(stage, seconds, options.out, ROOT, variables | threads))
        sys.stdout.write(table(outcomes[-1:]).splitlines()[-1] + "\n")
        sys.stdout.flush()
        write(options, outcomes, time.monotonic() - start)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=520, help="Seconds of all stages together.")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="Folder of logs and figures.")
    parser.add_argument("--wheels", type=Path, default=Path("build/wheels"), help="What `make gpu-wheels` collected.")
    parser.add_argument("--tiny", action="store_true", help="Tiny sizes on a CPU.")
    parser.add_argument("--plan", default="", help="Plan of `unlearning-pl benchmark`, and its options, in one word.")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stage that runs is ended, too
    options.out, options.wheels = (path.expanduser().resolve() for path in (options.out, options.wheels))
    options.site = options.out / "installed_wheels"
    options.out.mkdir(parents=True, exist_ok=True)
    delete_figures(options)
    try:
        added = gpu_wheels.install_missing(options.wheels, options.site)
    except subprocess.CalledProcessError:  # the first stage names the packages that are missing
        added = []
        sys.stdout.write(f"pip could not install {options.wheels}: are they for this Python? See `make gpu-wheels`.\n")
    sys.stdout.write(f"From {options.wheels}: {', '.join(added) or 'nothing'}.\n")
    outcomes = run(options)
    sys.stdout.write(f"\n{table(outcomes)}\n{options.out / 'gpu.json'}\n")
    sys.exit(any(row.failed for row in outcomes))


if __name__ == "__main__":
    main()
