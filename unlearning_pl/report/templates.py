"""The templates of this package, with everything escaped that they print."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from unlearning_pl.report.wording import pluralize


def open_template(name: str) -> Template:
    """Load a template.

    Args:
        name: Name of its file beside this one.

    Example:
        >>> open_template("report.html.jinja").name
        'report.html.jinja'
    """
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["pluralize"] = pluralize  # the macros see nothing else
    return environment.get_template(name)
