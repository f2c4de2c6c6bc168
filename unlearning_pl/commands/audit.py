"""The command ``audit``."""

from pathlib import Path
from typing import Any

from unlearning_pl.audits.embeddings import ORIGINAL, is_retrained
from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.audit_options import audit_parser
from unlearning_pl.cli.command_parser import parse_args
from unlearning_pl.cli.data_options import open_run_data, split_data_options
from unlearning_pl.commands.imported_original import import_original
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.errors import printable
from unlearning_pl.evaluation.audit_report import audit_runs
from unlearning_pl.report import step_table, table
from unlearning_pl.report.terminal import open_console
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict

_OWN = (
    "views",
    "output",
    "relearning",
    "retain_relearning",
    "gradient_attack",
    "level",
    "margin",
    "probe",
    "page",
    "trackers",
)


def audit(args: list[str]) -> LastLines | None:
    """Run the command ``audit``."""
    words, data_options = split_data_options(args)
    options = parse_args(audit_parser(), words)
    hardware = {key: options[key] for key in ("precision", "accelerator", "devices", "num_nodes")}
    command = ["unlearning-pl", "audit", *args]
    allow = [*options.allow, *allowed_classes(data_options)]
    if options.original is not None and Path(options.original).expanduser().is_file():
        options.original = str(import_original(options.original, options.model[0], data_options, allow, command))
    data = open_run_data(options.model[0], data_options, "audit", allow) if data_options else None
    chosen: dict[str, Any] = {key: options[key] for key in ("original", "retrained", *_OWN)}
    with progress_lines():
        audits, page = audit_runs(options.model, command=command, data=data, allow=allow, **chosen, **hardware)
    if not audits:  # only rank 0 has the audits
        return None
    console = open_console(width=100)
    console.print(table(audits))
    if audits[0].steps:
        console.print(step_table(audits))
    for audit in audits:
        if audit.name != ORIGINAL and not is_retrained(audit.name):
            sentences = f"{audit.name}: {describe_verdict(audit)} {describe_attack(audit)} {describe_power(audit)}"
            console.print(printable(sentences), highlight=False, markup=False)
    return page_written(page)
