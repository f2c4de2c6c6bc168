"""Entry point of the command line: dispatches commands and reports errors; heavy imports happen inside the commands."""

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

from unlearning_pl import __version__
from unlearning_pl.commands.printable_output import make_printable, print_error
from unlearning_pl.commands.saved_folders import with_weights_files
from unlearning_pl.errors import InputError, quote, suggest_names
from unlearning_pl.option_words import command_line
from unlearning_pl.quiet_libraries import quiet_libraries

if TYPE_CHECKING:
    from unlearning_pl.commands.last_lines import LastLines

OVERVIEW = f"""unlearning-pl {__version__}: make a trained image encoder forget, and show how well it forgot.

usage: unlearning-pl COMMAND [options]

  demo      train, retrain, unlearn with five methods and audit on handwritten digits, in minutes
  forget    make the model of a file forget images in one command: import, unlearn, audit, export
  fit       train the original on all images, or the retrained reference (--data.train_on retain)
  import    put the weights of torchvision, timm, solo-learn, open_clip and others into a run folder
  unlearn   make a trained model forget some of its training images
  export    write a run's model as weights under their original names, TorchScript, ONNX or a Hugging Face folder
  split     preview a forget request before training, and select hard or similar images
  audit     compare unlearned models with the original and the retrained one, and write a report
  owner     audit any encoder, local or remote, with your own images and its output vectors only
  serve     serve a model over HTTP: images in, output vectors out
  benchmark compare methods over several seeds in a table of means and standard deviations
  report    write the results of benchmarks as Markdown, LaTeX and a page with plots, and say which methods differ
  figures   draw the papers' figures from finished runs, as PNG, SVG and the numbers drawn
  shadow    train shadow models, and attack a model and its original: LiRA, U-LiRA, RMIA, KLOM
  views     draw the augmented views of images of a dataset on one sheet
  configs   list, show or copy the configuration files that come with the package
  validate  compute the loss (and accuracy) of a run on its validation images
  test      compute the loss (and accuracy) of a run on its test images
  predict   save features and class probabilities of every image by a run's model

`unlearning-pl COMMAND --help` explains a command, and `--help=all` has every option. `unlearning-pl configs` lists the
configurations to combine.
"""

COMMANDS = {
    "demo": "demo.run_demo",
    "forget": "forget.forget",
    "import": "import_weights.import_weights",
    "export": "export.export",
    "audit": "audit.audit",
    "owner": "owner.owner",
    "serve": "serve.serve",
    "benchmark": "benchmark.run_benchmark",
    "report": "report.report",
    "figures": "figures.figures",
    "shadow": "shadow.shadow_attack",
    "split": "split.split",
    "views": "views.draw_views",
    "configs": "configs.configs",
}
"""Commands that do not use LightningCLI, with the function of this package that runs each."""
TRAINING = ("fit", "unlearn", "validate", "test", "predict")
"""Commands of LightningCLI."""
SHORT_HELP = (*TRAINING, "split", "views")
"""Commands with a short help beside the one of their parser."""


@command_line()
def run(args: list[str]) -> "LastLines | None":
    """Run one command; errors are raised as exceptions.

    Returns:
        What its last lines say; None if there is nothing to say.
    """
    command, *rest = args
    wanted = _help_wanted(rest)
    if wanted == "short" and command in SHORT_HELP:
        from unlearning_pl.cli.short_help import short_help

        sys.stdout.write(short_help(command))
        return None
    rest = ["--help"] if wanted == "all" else rest
    quiet_libraries()
    rest = with_weights_files(command, rest)
    if command in TRAINING:
        from unlearning_pl.commands.training import train

        return train([command, *rest])
    module, function = COMMANDS[command].split(".")
    run_command: Callable[[list[str]], LastLines | None] = getattr(
        import_module(f"unlearning_pl.commands.{module}"), function
    )
    make_printable()
    return run_command(rest)


def _help_wanted(words: list[str]) -> str | None:
    """``short`` for ``--help``, ``all`` for ``--help all`` and ``--help=all``, None for a command to run.

    Raises:
        InputError: If another help is asked for.
    """
    for word, following in pairwise([*words, ""]):
        if word == "--help=all" or (word == "--help" and following == "all"):
            return "all"
        if word in ("-h", "--help"):
            return "short"
        if word.startswith("--help="):
            raise InputError(f"Expected --help or --help=all, got {quote(word)}. Write one of them.")
    return None


def main(args: list[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0, 1 for a failed job, 2 for an input error."""
    args = sys.argv[1:] if args is None else args
    commands = [*COMMANDS, *TRAINING]
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    if args[0] not in commands:
        print_error(f"Expected a command, got {quote(args[0])}. {suggest_names(args[0], sorted(commands))}")
        return 2
    thread_hook, threading.excepthook = threading.excepthook, _report_thread_error
    try:
        last_lines = run(args)
        if last_lines is not None:
            from unlearning_pl.commands.last_lines import print_last_lines

            print_last_lines(last_lines)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        from unlearning_pl.cli.exit_status import exit_code, exit_status, rank, should_report

        code, message = exit_status(error, args[0])
        if code is None:
            raise
        if should_report(error):
            print_error(message, rank())
        return exit_code(error, code)
    finally:
        threading.excepthook = thread_hook
        _leave_process_group()
    return 0


def _report_thread_error(args: "threading.ExceptHookArgs") -> None:
    """Report a failed write of TensorBoard's thread in one line; the next call of the main thread may raise it too."""
    if type(args.thread).__name__ == "_AsyncWriterThread" and isinstance(args.exc_value, OSError):
        sys.stderr.write(f"unlearning-pl: warning: TensorBoard's curves are incomplete: {args.exc_value.strerror}.\n")
    else:
        threading.__excepthook__(args)


def _leave_process_group() -> None:
    torch = sys.modules.get("torch")  # a command that failed early has not imported it
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
