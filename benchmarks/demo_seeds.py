"""The demo over several seeds: one table with mean and standard deviation, and what it must show.

python benchmarks/demo_seeds.py --seeds 0 1 2 --output runs/demo_seeds

Result of November 2026 (two CPU cores, torch 2.13.0): docs/results.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

COLUMNS = {
    "RA %": ("retain_accuracy", 1),
    "TA %": ("test_accuracy", 1),
    "UA %": ("forget_accuracy", 1),
    "EMIA %": ("encoder_mi", 1),
    "AUC": ("membership_auc", 3),
    "gap": ("average_gap", 2),
    "seconds": ("seconds", 1),
    "speed-up": ("speed_up", 1),
}
Metrics = dict[str, dict[str, float]]  # model -> metric -> value


def run(seed: int, output: Path) -> Metrics:
    folder = output / f"seed{seed}"
    subprocess.run(
        [sys.executable, "-m", "unlearning_pl", "demo", "--seed", str(seed), "--run", str(folder)], check=True
    )
    report = json.loads((folder / "audit/report.json").read_text())
    return {audit["name"]: audit["metrics"] for audit in report["audits"]}


def table(seeds: list[Metrics]) -> str:
    lines = ["| model | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for model in seeds[0]:
        cells = [cell([found[model].get(key) for found in seeds], digits) for key, digits in COLUMNS.values()]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = statistics.stdev(known) if len(known) > 1 else 0.0
    return f"{statistics.mean(known):.{digits}f} ± {spread:.{digits}f}"


def claims(seeds: list[Metrics]) -> dict[str, float]:
    """Worst seed of each claim, and the mean share of the distance that alignment calibration closes."""
    auc = [{name: found[name]["membership_auc"] for name in found} for found in seeds]
    distance = [one["original"] - one["retrained"] for one in auc]
    left = [abs(one["alignment_calibration"] - one["retrained"]) for one in auc]
    accuracy = [abs(s["alignment_calibration"]["test_accuracy"] - s["retrained"]["test_accuracy"]) for s in seeds]
    return {
        "least AUC distance of original and retrained (>= 0.10)": min(distance),
        "mean share of it that alignment calibration closes (>= 0.5)": statistics.mean(
            1 - gap / whole for gap, whole in zip(left, distance, strict=True)
        ),
        "largest distance in test accuracy to retrained (<= 3 points)": max(accuracy),
        "least speed-up over retraining (>= 8)": min(s["alignment_calibration"]["speed_up"] for s in seeds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("runs/demo_seeds"))
    options = parser.parse_args()
    found = [run(seed, options.output) for seed in options.seeds]
    print(table(found))
    for claim, value in claims(found).items():
        print(f"{claim}: {value:.3f}")


if __name__ == "__main__":
    main()
