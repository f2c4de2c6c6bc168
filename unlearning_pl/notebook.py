"""Jupyter notebooks: an audit is shown as a table, and libraries are as quiet as in a command."""

import sys
from importlib import import_module
from typing import Any

from unlearning_pl.quiet_libraries import quiet_libraries


def install() -> None:
    """Set up the notebook that imports the package; does nothing in another program.

    Example:
        >>> install()
    """
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or shell.display_formatter is None:
        return
    quiet_libraries()
    # By name: the package of reports is imported when the first audit is shown, and audits know nothing of it.
    html = shell.display_formatter.formatters["text/html"]
    html.for_type_by_name("unlearning_pl.audits.embeddings", "Audit", _audit_html)


def _audit_html(audit: Any) -> str:
    html: str = import_module("unlearning_pl.report.notebook_table").notebook_table([audit])
    return html
