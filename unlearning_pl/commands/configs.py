"""The command ``configs``: list, show and copy the configuration files that come with the package."""

from itertools import groupby
from pathlib import Path

from jsonargparse import ArgumentParser

from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.cli.shipped_configs import describe_config, shipped_config, shipped_configs
from unlearning_pl.errors import quote, require, suggest_names
from unlearning_pl.io import write_text
from unlearning_pl.report.terminal import open_console

_ACTIONS = ("list", "show", "copy")


def configs_parser() -> ArgumentParser:
    """Create the parser of the command ``configs``."""
    parser = make_parser(
        "configs",
        "List the configurations that come with the package, show one, or copy one to change it. Commands take their "
        "names anywhere: --config methods/neg_grad. A file of the same path in your folder comes first.",
    )
    parser.add_argument("action", type=str, nargs="?", default="list", help="list, show NAME, or copy NAME.")
    parser.add_argument("name", type=str, nargs="?", default=None, help="Name, such as methods/neg_grad.")
    parser.add_argument("--to", type=str | None, default=None, help="Folder to copy to; by default the current one.")
    return parser


def configs(args: list[str]) -> None:
    """Run the command ``configs``."""
    options = parse_args(configs_parser(), args)
    action, name = options.action, options.name
    require(
        action in _ACTIONS, f"Expected list, show or copy, got {quote(action)}. {suggest_names(str(action), _ACTIONS)}"
    )
    require((action == "list") == (name is None), _wrong_number(action, name))
    require(action == "copy" or options.to is None, f"Expected --to with copy alone, got {action}. Leave it out.")
    console = open_console()
    if action == "list":
        text = _listing()
    else:
        path = shipped_config(name)
        text = (
            path.read_text(encoding="utf-8").rstrip() if action == "show" else f"Copy: {_copy(path, options.to or '.')}"
        )
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def _wrong_number(action: str, name: str | None) -> str:
    if name is None:
        return f"Expected {action} NAME, got no name. Run `unlearning-pl configs` for a list."
    return f"Expected no name after list, got {quote(name)}. Write show {name} to see that file."


def _listing() -> str:
    """All names by folder, each with a line on what it is."""
    found = shipped_configs()
    width = max(map(len, found))
    folders = groupby(found.items(), key=lambda item: item[0].partition("/")[0])
    lines = [[f"{name:{width}}  {describe_config(path)}" for name, path in items] for _, items in folders]
    return "\n\n".join("\n".join(group) for group in lines)


def _copy(path: Path, folder: str) -> Path:
    target = Path(folder).expanduser() / path.name
    require(not target.parent.is_file(), f"Expected a folder as --to, got {folder}, which is a file. Give another one.")
    require(
        not target.exists() and not target.is_symlink(),
        f"Expected a new file, got {target}, which exists. Give another folder by --to, or move the file away.",
    )
    return write_text(target, path.read_text(encoding="utf-8"))
