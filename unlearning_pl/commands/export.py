"""The command ``export``."""

from jsonargparse import ArgumentParser

from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.commands.last_lines import LastLines
from unlearning_pl.export.export_run import ExportOptions, Format, export_run
from unlearning_pl.export.export_weights import Dtype, Names
from unlearning_pl.export.traced_model import Output
from unlearning_pl.report.terminal import open_console


def export_parser() -> ArgumentParser:
    """Create the parser of the command ``export``."""
    parser = make_parser(
        "export", "Write the model of a run as weights under their original names, TorchScript, ONNX or a hub folder."
    )
    add = parser.add_argument
    add("--run", type=str, required=True, help="Run folder of a finished run.")
    add(
        "--to",
        type=str,
        required=True,
        help="File (.safetensors, .pt, .pth, .ckpt, .ts, .onnx), or folder for the hub.",
    )
    add("--format", type=Format | None, default=None, help="The format, if the ending of --to does not tell it.")
    add("--like", type=str | None, default=None, help="File whose names and layout the weights get.")
    add("--names", type=Names | None, default=None, help="Names of the original file (if there is one) or our own.")
    add("--dtype", type=Dtype | None, default=None, help="Type of all weights; by default that of the original.")
    add("--output", type=Output | None, default=None, help="Output of .ts and .onnx: scores of a classifier, features.")
    add("--image_size", type=int | None, default=None, help="Height and width, if source and model do not state it.")
    add("--overwrite", action="store_true", help="Replace the file, or files of the folder.")
    add_allow(parser)
    return parser


def export(args: list[str]) -> LastLines:
    """Run the command ``export``."""
    options = parse_args(export_parser(), args)
    chosen = ExportOptions(**{name: options[name] for name in ExportOptions._fields})
    written, *sentences = export_run(options.run, options.to, chosen, options.allow)
    for sentence in sentences:
        open_console().print(sentence, soft_wrap=True, highlight=False, markup=False)
    return LastLines(written)
