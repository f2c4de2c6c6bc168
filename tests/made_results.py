"""Results made by hand: three seeds, four methods, of which the distances are what a test wants."""

import shlex
from collections.abc import Mapping, Sequence

from unlearning_pl.benchmark.results import Result

METRICS = {"retain_accuracy": 90.0, "test_accuracy": 80.0, "forget_accuracy": 85.0, "encoder_mi": 50.0}
FIT = "unlearning-pl fit --run runs/{plan}/seed{seed}/{model} --config a.yaml --seed_everything {seed} --overwrite"
UNLEARN = "unlearning-pl unlearn --run runs/{plan}/seed{seed}/{model} --forget.fraction {share} --forget.seed {seed}"


def made_results(
    distances: Mapping[str, Sequence[float]], plan: str = "tiny", share: float = 0.1, broken: Sequence[str] = ()
) -> list[Result]:
    """Rows of methods with these distances, a seed each; a method may lack the last seeds."""
    rows = []
    for seed in range(max(map(len, distances.values()))):
        for model in ("original", "retrained", *(name for name, far in distances.items() if seed < len(far))):
            role = "method" if model in distances else model
            far = {"original": 0.3}.get(model) if model not in distances else distances[model][seed]
            metrics = {**METRICS, "classifier_mi": 40.0 + 100 * (far or 0.0), "retraining_floor": 0.02, "seconds": 9.0}
            metrics |= {} if far is None else {"retraining_distance": far, "average_gap": 20 * far}
            metrics |= {"broken": float(model in broken)} if role == "method" else {}
            command = (UNLEARN if role == "method" else FIT).format(
                plan=shlex.quote(plan), seed=seed, model=model, share=share
            )
            rows += [
                Result(plan, seed, model, role, key, value, seconds=9.0, digest="ab", command=command)  # type: ignore[arg-type]
                for key, value in metrics.items()
            ]
    return rows
