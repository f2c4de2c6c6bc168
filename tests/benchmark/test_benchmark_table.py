"""The arithmetic of the table, on figures made by hand."""

import numpy as np
import pytest
from scipy import stats

from unlearning_pl.benchmark.benchmark_table import Outcome, is_above_zero, main_table, render_page

METHODS = ["fine_tune", "near", "far", "lost"]


def metrics(emia: float, accuracy: float = 90.0) -> dict[str, float]:
    """The five figures of the gap, one of them the same throughout; the retrained model has 50 and 90."""
    parts = {"encoder_mi": emia, "retain_accuracy": accuracy, "test_accuracy": 90.0, "forget_accuracy": 90.0}
    gap = (abs(emia - 50) + abs(accuracy - 90)) / 5
    distance = {"retraining_distance": abs(emia - 50) / 100, "retraining_floor": 0.01}
    return {**parts, "classifier_mi": 70.0, "average_gap": gap, "forgetting_score": emia / 100, **distance}


def outcomes() -> list[Outcome]:
    first = {"original": metrics(30), "retrained": metrics(50), "fine_tune": metrics(42), "near": metrics(48)}
    second = {"original": metrics(26), "retrained": metrics(50), "fine_tune": metrics(38), "near": metrics(56)}
    record = {"hardware": "2 CPU cores", "versions": {"torch": "2.13.0"}}
    return [
        Outcome(0, {**first, "far": metrics(30, 86.0)}, {}, [record]),
        Outcome(3, second, {"far": "Expected a finite loss, got nan.", "lost": "Expected x."}, [record]),
    ]


def rows(text: str) -> list[str]:
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]


def test_methods_come_in_the_order_of_their_distance_before_the_references() -> None:
    names = ["Model", "near", "fine_tune", "far (1 of 2 seeds)", "lost (0 of 2 seeds)", "retrained", "original"]
    assert rows(main_table(METHODS, outcomes())) == names
    assert rows(main_table(METHODS[::-1], outcomes())) == names


def test_means_and_sample_deviations() -> None:
    row = next(line for line in main_table(METHODS, outcomes()).splitlines() if line.startswith("| near"))
    assert "52.0 ± 5.7" in row  # 48 and 56: the mean is 52, the deviation sqrt(32)
    assert "0.80 ± 0.57" in row  # gaps 0.5 and 1.5
    single = next(line for line in main_table(METHODS, outcomes()).splitlines() if line.startswith("| far"))
    assert " 30.0 " in single


def compared(**distances: list[float]) -> list[str]:
    """Lines on methods that are farther than fine-tuning, given the distances of each seed."""
    seeds = [
        Outcome(seed, {name: {"retraining_distance": values[seed]} for name, values in distances.items()}, {}, [])
        for seed in range(len(distances["fine_tune"]))
    ]
    return [line for line in main_table([*distances], seeds).splitlines() if line.startswith("- Farther")]


def test_a_method_is_farther_than_fine_tuning_only_by_a_test_over_the_seeds() -> None:
    base = [0.10, 0.12, 0.11]
    assert compared(fine_tune=base, far=[0.20, 0.23, 0.21]) == [
        "- Farther from retraining than fine_tune, by a one-sided paired t-test over the seeds at 5 %: "
        "far, 0.103 ± 0.006 farther."
    ]
    assert compared(fine_tune=base, noisy=[0.05, 0.30, 0.08]) == []
    assert compared(fine_tune=base, near=[0.01, 0.02, 0.01]) == []
    assert compared(fine_tune=[0.1], far=[0.9]) == []  # one seed has no spread
    assert compared(fine_tune=[0.1, 0.1], near=[0.12, 0.20]) == []  # mean 0.06, deviation 0.057: p is 0.19


@pytest.mark.parametrize("count", [2, 3, 5])
def test_differences_are_above_zero_where_the_paired_t_test_says_so(count: int) -> None:
    generator = np.random.default_rng(count)
    found = []
    for _ in range(200):
        own, other = generator.normal(1.0, 1.0, count), generator.normal(0.0, 0.5, count)
        found.append(is_above_zero((own - other).tolist()))
        assert found[-1] == (stats.ttest_rel(own, other, alternative="greater").pvalue < 0.05)
    assert 0 < sum(found) < 200


def test_broken_methods_come_after_the_others_and_are_named() -> None:
    verdicts = [{"near": "broken", "fine_tune": "remembers", "original": "broken"}, {"near": "equivalent"}]
    seeds = [one._replace(verdicts=kinds) for one, kinds in zip(outcomes(), verdicts, strict=True)]
    text = main_table(METHODS, seeds)
    assert rows(text)[1:4] == ["fine_tune", "far (1 of 2 seeds)", "near"]
    assert [line for line in text.splitlines() if "roken" in line] == ["- Broken in 1 of 2 seeds: near."]


def test_the_page_tells_its_command_failures_and_circumstances() -> None:
    text = render_page("Digits", "unlearning-pl benchmark x.yaml", METHODS, outcomes())
    assert text.startswith("# Digits\n\n    unlearning-pl benchmark x.yaml\n")
    assert "- far, seed 3, failed: Expected a finite loss, got nan." in text
    assert "over the seeds 0, 3" in text
    assert "Forgetting score" in text
    assert "0.520 ± 0.057" in text
    assert "Hardware: 2 CPU cores. Versions: torch 2.13.0." in text
    assert "nearest neighbours" not in text


def test_a_page_of_pairs_tells_the_gap_of_pairs() -> None:
    def pairs(found: float, gap: float) -> dict[str, float]:
        return {"pair_mi": 50.0, "retain_recall": 30.0, "test_recall": 6.0, "forget_recall": found, "average_gap": gap}

    seed = {"original": pairs(32, 6.0), "retrained": pairs(8, 0.0), "fine_tune": pairs(24, 4.0), "far": pairs(28, 5.0)}
    text = render_page("Pairs", "x", ["fine_tune", "far"], [Outcome(0, seed, {}, [])])
    assert "over RR, TR, UR and PMIA, in points" in text
    assert "| RR % | TR % | UR % | PMIA % |" in text.replace("  ", " ")


def test_notes_come_below_the_main_table() -> None:
    text = render_page("Digits", "x", METHODS, outcomes(), "Tuned by hand.\n")
    assert text.index("| near") < text.index("\n\nTuned by hand.\n\n") < text.index("Forgetting score")
