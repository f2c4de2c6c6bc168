"""The table of a benchmark: mean and standard deviation over seeds, and methods that are worse than fine-tuning."""

import statistics
from collections.abc import Mapping, Sequence
from math import sqrt
from types import MappingProxyType
from typing import Any, NamedTuple

from scipy import stats

from unlearning_pl.audits.compare_models import GAP_METRICS, gap_metrics
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, is_retrained
from unlearning_pl.report.metric_terms import BY_KEY, TERMS, columns

BASELINE = "fine_tune"
"""Name of the baseline: a useful method is nearer to the retrained model than it."""
DISTANCE = "retraining_distance"
"""Key of the headline metric, which orders the table."""

_LEGEND = (
    "Distance: of the AUC of the strongest attack from the mean of the retrained models. Floor: the same among "
    "retrained models. Gap: mean distance to the retrained model over {}, in points. Good is what is near the "
    "retrained model. -: not defined."
)


class Outcome(NamedTuple):
    """Results of one seed.

    Attributes:
        seed: The seed.
        metrics: Value by metric, by model; empty if there is no audit.
        failures: Error message of each failed run, by its name.
        records: Records (``run.json``) of the runs.
        verdicts: Kind of the verdict by model, where there is one.
    """

    seed: int
    metrics: Mapping[str, Mapping[str, float]]
    failures: Mapping[str, str]
    records: Sequence[Mapping[str, Any]]
    verdicts: Mapping[str, str] = MappingProxyType({})


def cell(values: Sequence[float], digits: int) -> str:
    """Format mean and standard deviation over the seeds; one seed has no deviation.

    Example:
        >>> cell([1.0, 2.0, 4.5], 1), cell([2.0], 1), cell([], 1)
        ('2.5 ± 1.8', '2.0', '-')
    """
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def is_above_zero(differences: Sequence[float]) -> bool:
    """Whether paired differences are above 0 by a one-sided t-test at 5 %; never for a single one.

    Example:
        >>> is_above_zero([0.10, 0.11, 0.10]), is_above_zero([0.02, 0.10]), is_above_zero([0.1])
        (True, False, False)
    """
    count = len(differences)
    if count < 2:
        return False
    limit = float(stats.t.ppf(0.95, count - 1)) * statistics.stdev(differences) / sqrt(count)
    return statistics.mean(differences) > limit


def main_table(methods: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """Table of the main metrics, one row per model by distance, then lines on methods broken, far or failed.

    Args:
        methods: Names of the methods.
        outcomes: One per seed.
    """
    notes = (_broken(methods, outcomes), _farther_than_baseline(methods, outcomes), _failures(outcomes))
    parts = [_table(columns(_metric_keys(outcomes)), _by_distance(methods, outcomes), outcomes)]
    parts += ["\n".join(lines) for lines in notes if lines]
    return "\n\n".join(parts) + "\n"


def render_page(title: str, command: str, methods: Sequence[str], outcomes: Sequence[Outcome], notes: str = "") -> str:
    """The full page in GitHub markdown: command, seeds, versions, hardware, main metrics, all other metrics.

    Args:
        title: Heading.
        command: The command that writes the page.
        methods: Names of the methods.
        outcomes: One per seed.
        notes: Markdown for below the main table.
    """
    known = _metric_keys(outcomes)
    main = {key for _, key in columns(known)}
    rest = [(term.title, term.key) for term in TERMS if term.key in known - main]
    *letters, last = (BY_KEY[key].letters for key in gap_metrics(known) or GAP_METRICS)
    legend = _LEGEND.format(f"{', '.join(letters)} and {last}")
    units = [(f"{title}{BY_KEY[key].unit}", key) for title, key in rest]
    records = [record for outcome in outcomes for record in outcome.records]
    seeds = ", ".join(str(outcome.seed) for outcome in outcomes)
    parts = [
        f"# {title}",
        f"    {command}",
        f"{'Mean ± standard deviation over the seeds' if len(outcomes) > 1 else 'Seed'} {seeds}. {legend}",
        main_table(methods, outcomes).rstrip(),
        notes.strip(),
        _table(units, _by_distance(methods, outcomes), outcomes) if units else "",
        _hardware_and_versions(records),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _by_distance(methods: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    """Methods by their distance to retraining, then those broken in a seed or without one, then the references."""
    distances = {name: _values(name, DISTANCE, outcomes) for name in methods}
    known = sorted(
        (name for name in methods if distances[name]),
        key=lambda name: (bool(_seeds_broken(name, outcomes)), statistics.mean(distances[name])),
    )
    retrained = sorted({name for outcome in outcomes for name in outcome.metrics if is_retrained(name)} or {RETRAINED})
    return [*known, *(name for name in methods if not distances[name]), *retrained, ORIGINAL]


def _values(model: str, key: str, outcomes: Sequence[Outcome]) -> list[float]:
    values = (outcome.metrics.get(model, {}).get(key) for outcome in outcomes)
    return [value for value in values if value is not None]


def _metric_keys(outcomes: Sequence[Outcome]) -> set[str]:
    return {key for outcome in outcomes for metrics in outcome.metrics.values() for key in metrics}


def _table(headings: Sequence[tuple[str, str]], models: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    rows = [["Model", *(title for title, _ in headings)]]
    for model in models:
        seeds = sum(model in outcome.metrics for outcome in outcomes)
        name = model if seeds == len(outcomes) else f"{model} ({seeds} of {len(outcomes)} seeds)"
        rows.append([name, *(cell(_values(model, key, outcomes), BY_KEY[key].digits) for _, key in headings)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _seeds_broken(model: str, outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.verdicts.get(model) == "broken" for outcome in outcomes)


def _broken(methods: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    counts = {name: _seeds_broken(name, outcomes) for name in methods}
    return [f"- Broken in {count} of {len(outcomes)} seeds: {name}." for name, count in counts.items() if count]


def _farther_than_baseline(methods: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    """One line per method that is farther from retraining than fine-tuning, by :func:`is_above_zero`."""
    lines = []
    for name in methods:
        both = [o for o in outcomes if all(DISTANCE in o.metrics.get(one, {}) for one in (name, BASELINE))]
        distances, baseline = (_values(one, DISTANCE, both) for one in (name, BASELINE))
        excess = [own - other for own, other in zip(distances, baseline, strict=True)]
        if is_above_zero(excess):
            lines.append(
                f"- Farther from retraining than {BASELINE}, by a one-sided paired t-test over the seeds at 5 %: "
                f"{name}, {cell(excess, 3)} farther."
            )
    return lines


def _failures(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"- {name}, seed {o.seed}, failed: {why}" for o in outcomes for name, why in o.failures.items()]


def _hardware_and_versions(records: Sequence[Mapping[str, Any]]) -> str:
    if not records:
        return ""
    hardware = "; ".join(sorted({str(record["hardware"]) for record in records}))
    packages: dict[str, set[str]] = {}
    for record in records:
        for package, version in record["versions"].items():
            packages.setdefault(package, set()).add(str(version))
    versions = ", ".join(f"{package} {' and '.join(sorted(numbers))}" for package, numbers in packages.items())
    return f"Hardware: {hardware}. Versions: {versions}."
