"""The command line: which command it is, and what becomes of an error. Heavy imports happen inside the commands."""

import logging
import sys
import warnings
from importlib import import_module

from unlearning_pl import __version__
from unlearning_pl.errors import nearest

OVERVIEW = f"""unlearning-pl {__version__}: make a trained image encoder forget, and show how well it forgot.

usage: unlearning-pl COMMAND [options]

  demo      the whole job on handwritten digits, in minutes: train, retrain, unlearn five ways, audit
  fit       train a model: the original on all images, or the retrained reference (--data.train_on retain)
  unlearn   make a trained model forget some of its training images
  split     preview a forget request before anything is trained, and choose hard or similar images
  audit     measure unlearned models against the original and the retrained one, and write a report
  owner     what models still know of your own images, by the vectors that they give, wherever they are
  serve     answer images with a model's vectors over HTTP
  benchmark plans of methods over several seeds, as one table with means and standard deviations
  shadow    train shadow models and attack a model and its original with them: LiRA, U-LiRA, RMIA, KLOM
  views     draw a sheet of views of a data set's images, to look at what a model is shown
  validate  loss (and accuracy) of a run on its validation images
  test      loss (and accuracy) of a run on its test images
  predict   features of every image by a run, as predictions.npz

`unlearning-pl COMMAND --help` explains a command. Configurations that stack lie under configs/.
"""

COMMANDS = {
    "demo": "demo.run_demo",
    "audit": "audit.audit",
    "owner": "owner.owner",
    "serve": "serve.serve",
    "benchmark": "benchmark.run_benchmark",
    "shadow": "shadow.shadow_attack",
    "split": "split.split",
    "views": "views.draw_views",
}
"""Commands that are not LightningCLI's, and the function of this package that runs each."""
TRAINING = ("fit", "unlearn", "validate", "test", "predict")
"""Those of LightningCLI."""


def run(args: list[str]) -> None:
    """Run one command; errors are exceptions."""
    command, *rest = args
    if command in COMMANDS:
        module, function = COMMANDS[command].split(".")
        getattr(import_module(f"unlearning_pl.commands.{module}"), function)(rest)
    else:
        from unlearning_pl.cli.training_cli import run_training_command

        run_training_command(args)


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 for a failed job, 2 for a mistake in the input."""
    args = sys.argv[1:] if args is None else args
    commands = [*COMMANDS, *TRAINING]
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    if args[0] not in commands:
        _say(f"Expected a command, got {args[0]!r}. {nearest(args[0], sorted(commands))}")
        return 2
    try:
        _hush()
        run(args)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        from unlearning_pl.cli.exit_status import exit_code, exit_status, rank, should_report

        code, line = exit_status(error)
        if code is None:
            raise
        if should_report(error):
            _say(line, rank())
        return exit_code(error, code)
    finally:
        _leave_process_group()
    return 0


def _say(message: str, rank: int = 0) -> None:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    who = f"rank {rank}: " if rank else ""
    sys.stderr.write(f"unlearning-pl: error: {who}{line}\n")


def _leave_process_group() -> None:
    torch = sys.modules.get("torch")  # a command that failed early has not imported it
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _hush() -> None:
    """Keep to what concerns the user."""
    from jsonargparse._deprecated import JsonargparseDeprecationWarning

    # The data are in memory, so workers would only copy them; curves have a point an epoch.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*is smaller than the logging interval.*")
    # Lightning's own calls that a newer torch or jsonargparse deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "Tip" not in record.getMessage()
    )
