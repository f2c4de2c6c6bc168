"""Run the steps of a plan, each an ordinary command that is printed first; finished ones are kept."""

from collections.abc import Callable, Mapping
from pathlib import Path

from unlearning_pl.cli.finished_runs import is_audited, is_finished_run
from unlearning_pl.errors import InputError
from unlearning_pl.forgetting.forget_plan import (
    AUDIT,
    EXPORT,
    IMPORT,
    PAIRS,
    PREVIEW,
    REQUEST,
    RETRAIN,
    UNLEARN,
    ForgetPlan,
    command_line,
)
from unlearning_pl.io import write_json
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training.progress_log import format_seconds
from unlearning_pl.training.run_lock import lock_folder
from unlearning_pl.training.run_record import RECORD, read_record

Command = Callable[[list[str]], object]
"""Runs one command line, given as a list of words."""


def run_steps(plan: ForgetPlan, command: Command, seconds: Mapping[str, float]) -> None:
    """Import, preview, unlearn, retrain if asked, audit and export.

    A step that is finished, with its current settings, is not repeated, and an interrupted training is resumed.

    Args:
        plan: The plan.
        command: Runs one command line.
        seconds: Seconds that each step is expected to take, by its name.

    Raises:
        InputError: If a step fails, or the output folder holds a training of other settings.
    """
    with lock_folder(plan.path(""), "--out"):
        if not plan.path(REQUEST).is_file():
            write_json(plan.path(REQUEST), {"forget": plan.ids})
        steps = plan.steps()
        for number, (name, words) in enumerate(steps.items()):
            place = f"Step {number + 1} of {len(steps)}"
            if _is_done(plan, name, words):
                _say(f"\n{place}, finished before:\n{command_line(words)}")
                continue
            words = _with_resume(plan, name, words)
            left = format_seconds(sum(seconds[one] for one in [*steps][number:]))
            _say(f"\n{place}, about {left} left with it:\n{command_line(words)}")
            command(words)


def _is_done(plan: ForgetPlan, name: str, words: list[str]) -> bool:
    if name == IMPORT:
        return (plan.path(IMPORT) / RECORD).is_file()  # the checks compare its command and its file
    if name in (UNLEARN, RETRAIN):
        return _is_finished(words, plan.path(name))
    unlearned = plan.path(UNLEARN) / RECORD
    if name == PREVIEW:
        return unlearned.is_file()
    if name == AUDIT:
        return is_audited(words, plan.path(AUDIT), [plan.path(run) for run in (*plan.references, UNLEARN)])
    return plan.export.exists() and plan.export.stat().st_mtime_ns >= unlearned.stat().st_mtime_ns


def _is_finished(words: list[str], run: Path) -> bool:
    if is_finished_run(words, run):
        return True
    if (run / RECORD).is_file():  # resuming would leave it as it is
        made_by = command_line([str(word) for word in read_record(run)["command"]][1:])
        raise InputError(
            f"Expected {run} to be the run of these settings, got that of {made_by}. "
            f"Choose another --out, or remove {run}."
        )
    return False


def _with_resume(plan: ForgetPlan, name: str, words: list[str]) -> list[str]:
    """The command with the option to resume what was interrupted, or to replace what was left of it."""
    if name in (UNLEARN, RETRAIN):
        return [*words, "--ckpt_path", "auto"]
    written = {IMPORT: plan.path(IMPORT), PREVIEW: plan.path(PAIRS), EXPORT: plan.export}
    return [*words, "--overwrite"] if name in written and written[name].exists() else words


def _say(text: str) -> None:
    open_console().print(text, style="bold", soft_wrap=True, highlight=False, markup=False)
