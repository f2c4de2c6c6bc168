"""The command ``shadow``."""

from jsonargparse import ArgumentParser

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.cli.data_options import HELP, split_data_options
from unlearning_pl.commands.last_lines import LastLines, allow_words, next_command
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.report.terminal import open_console
from unlearning_pl.shadow.shadow_table import sentence, table
from unlearning_pl.shadow.train_shadows import shadow


def shadow_parser() -> ArgumentParser:
    """Create the parser of the command ``shadow``."""
    parser = make_parser(
        "shadow",
        "Train shadow models, and attack an unlearned model and its original with them. Finished runs are kept: repeat "
        f"the command to resume.{HELP}",
    )
    parser.add_argument("--model", type=str, required=True, help="Run folder of the unlearned model.")
    parser.add_argument("--original", type=str, required=True, help="Run folder that the unlearned model started from.")
    parser.add_argument("--retrained", type=str | None, default=None, help="Run folder trained on the retain set only.")
    parser.add_argument("--count", type=int, default=16, help="Number of shadow models; even, at least 4.")
    parser.add_argument(
        "--output", type=str | None, default=None, help="Folder of the shadow models; MODEL/shadows by default."
    )
    parser.add_argument(
        "--processes",
        type=int | None,
        default=None,
        help="Parallel processes; by default one per GPU, or per CPU core.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the random halves, weights and batches.")
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image for the score of an encoder.")
    add_allow(parser)
    return parser


def shadow_attack(args: list[str]) -> LastLines:
    """Run the command ``shadow``."""
    words, data_options = split_data_options(args)
    options = vars(parse_args(shadow_parser(), words))
    options.pop("config")
    options["allow"] = [*options["allow"], *allowed_classes(data_options)]
    with progress_lines():
        result, path = shadow(**options, data_options=data_options, command=["unlearning-pl", "shadow", *args])
    console = open_console(width=100)
    console.print(table(result))
    console.print(sentence(result), soft_wrap=True, highlight=False, markup=False)
    references = [] if options["retrained"] is None else ["--retrained", options["retrained"]]
    hint = ["audit", "--model", options["model"], "--original", options["original"], *references]
    return LastLines(f"Result: {path}", next_command(*hint, *allow_words(options["allow"])))
