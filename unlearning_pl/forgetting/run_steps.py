"""Run the steps of a plan, each an ordinary command that is printed first; finished ones are kept."""

from collections.abc import Callable

from unlearning_pl.cli.finished_runs import is_audited, is_finished_run
from unlearning_pl.forgetting.forget_plan import (
    AUDIT,
    EXPORT,
    IMPORT,
    PREVIEW,
    REQUEST,
    RETRAIN,
    UNLEARN,
    ForgetPlan,
    command_line,
)
from unlearning_pl.io import write_json
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_folder
from unlearning_pl.training.run_record import RECORD

Command = Callable[[list[str]], object]
"""Runs one command line, given as a list of words."""


def run_steps(plan: ForgetPlan, command: Command) -> None:
    """Import, preview, unlearn, retrain if asked, audit and export.

    A step that is finished, with its current settings, is not repeated, and an interrupted training is resumed.

    Args:
        plan: The plan.
        command: Runs one command line.

    Raises:
        InputError: If a step fails, or the output folder holds a training of other settings.
    """
    with lock_folder(plan.path(""), "--out"):
        write_json(plan.path(REQUEST), {"forget": plan.ids})
        steps = plan.steps()
        progress = Progress("Forget", len(steps), "commands")
        for name, words in steps.items():
            if _is_done(plan, name, words):
                _say(f"\n{command_line(words)}\nFinished before.")
                progress.finish_round()
                continue
            words = _with_resume(plan, name, words)
            _say(f"\n{command_line(words)}")
            command(words)
            progress.finish_round()


def _is_done(plan: ForgetPlan, name: str, words: list[str]) -> bool:
    if name == IMPORT:
        return (plan.path(IMPORT) / RECORD).is_file()  # the checks compare its command and its file
    if name in (UNLEARN, RETRAIN):
        return is_finished_run(words, plan.path(name))
    unlearned = plan.path(UNLEARN) / RECORD
    if name == PREVIEW:
        return unlearned.is_file()
    if name == AUDIT:
        return is_audited(words, plan.path(AUDIT), [plan.path(run) for run in (*plan.references, UNLEARN)])
    return plan.export.exists() and plan.export.stat().st_mtime_ns >= unlearned.stat().st_mtime_ns


def _with_resume(plan: ForgetPlan, name: str, words: list[str]) -> list[str]:
    """The command with the option to resume what was interrupted, or to replace what was left of it."""
    if name in (UNLEARN, RETRAIN):
        return [*words, "--ckpt_path", "auto"]
    is_left = plan.path(name).exists() and any(plan.path(name).iterdir()) if name == IMPORT else False
    is_left = is_left or (name == EXPORT and plan.export.exists())
    return [*words, "--overwrite"] if is_left else words


def _say(text: str) -> None:
    open_console().print(text, style="bold", soft_wrap=True, highlight=False, markup=False)
