"""What the digits must show, from the reports of a benchmark: the worst seed of each claim.

unlearning-pl benchmark configs/benchmarks/digits_simclr.yaml
python benchmarks/claims.py runs/benchmark/digits_simclr

Result of November 2026 (two CPU cores, torch 2.13.0): docs/results.md.
"""

import argparse
import json
import statistics
from pathlib import Path

Metrics = dict[str, dict[str, float]]  # model -> metric -> value


def read(report: Path) -> Metrics:
    return {audit["name"]: audit["metrics"] for audit in json.loads(report.read_text())["audits"]}


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
    parser.add_argument("runs", type=Path, help="Folder of one plan, with a folder a seed.")
    reports = sorted(parser.parse_args().runs.glob("seed*/audit/report.json"))
    for claim, value in claims([read(report) for report in reports]).items():
        print(f"{claim}: {value:.3f}")


if __name__ == "__main__":
    main()
