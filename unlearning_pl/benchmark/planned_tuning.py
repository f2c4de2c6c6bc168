"""What a tuning would train: its runs, the images that they read, and the hours that they take."""

from pathlib import Path

from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.benchmark.planned_runs import PlannedRun, describe_total, planned_runs
from unlearning_pl.benchmark.seed_runs import AUDIT
from unlearning_pl.benchmark.tuning_request import Budget
from unlearning_pl.report.wording import pluralize


def planned_tuning(plan: Plan, budget: Budget, folder: Path) -> list[PlannedRun]:
    """The trainings of a tuning without recorded trials: original, retrained models, and each row once a trial.

    Args:
        plan: The plan; reads its images to count them.
        budget: Number of trials and their seed.
        folder: ``OUTPUT/PLAN``, whose finished runs tell the hours.
    """
    unmade = folder / "tuning" / "none"  # a seed that was benchmarked has no trial finished
    trained = [run for run in planned_runs(plan, [budget.seed], unmade, rated=folder) if run.name != AUDIT]
    return [run for run in trained for _ in range(budget.trials if run.name in plan.job.methods else 1)]


def describe_tuning(plan: Plan, budget: Budget, planned: list[PlannedRun]) -> str:
    """Number of rows and trials, image passes and hours in a line.

    Example:
        >>> from unlearning_pl.benchmark.job import Job
        >>> plan = Plan(Path("plan.yaml"), "", Job("", {"count": 8}, {"fine_tune": ""}))
        >>> planned = [PlannedRun("original", "", 100), *[PlannedRun("fine_tune", "", 10)] * 2]
        >>> describe_tuning(plan, Budget(2), planned).partition(". No hours")[0]
        'Tuning, 1 row with 2 trials each, on seed 100000, trainings alone: 3 commands, 120 image passes'
    """
    rows, trials = (pluralize(*counted) for counted in ((len(plan.job.methods), "row"), (budget.trials, "trial")))
    return f"Tuning, {rows} with {trials} each, on seed {budget.seed}, trainings alone: {describe_total(planned)}"
