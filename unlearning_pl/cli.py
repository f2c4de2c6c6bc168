"""The commands. They parse, call and report; the work is done elsewhere."""

import difflib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentError, ArgumentParser
from jsonargparse._deprecated import JsonargparseDeprecationWarning
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, OptimizerCallable, SaveConfigCallback
from rich.console import Console
from typing_extensions import override

from unlearning_pl import __version__, runs
from unlearning_pl.audits import table
from unlearning_pl.data import UnlearningData
from unlearning_pl.demo import demo
from unlearning_pl.errors import DivergedError, InputError, require
from unlearning_pl.files import write_text
from unlearning_pl.learners import Learner
from unlearning_pl.learners.base import Schedule
from unlearning_pl.reporting import audit_runs
from unlearning_pl.trainer import UnlearningTrainer

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.06, "momentum": 0.9, "weight_decay": 5e-4}}

USAGE = {
    "fit": "[--config FILE ...] [--run FOLDER] [options]",
    "unlearn": "--original RUN [--config FILE ...] --forget.fraction 0.1 [--run FOLDER] [options]",
    "validate": "--run RUN [options]",
    "test": "--run RUN [options]",
    "predict": "--run RUN [options]",
}

OVERVIEW = f"""unlearning-pl {__version__}: make a trained image encoder forget, and show how well it forgot.

usage: unlearning-pl COMMAND [options]

  demo      the whole job on handwritten digits, in minutes: train, retrain, unlearn five ways, audit
  fit       train a model: the original on all images, or the retrained reference (--data.train_on retain)
  unlearn   make a trained model forget some of its training images
  audit     measure unlearned models against the original and the retrained one, and write a report
  validate  loss (and accuracy) of a run on its validation images
  test      loss (and accuracy) of a run on its test images
  predict   features of every image by a run, as predictions.npz

`unlearning-pl COMMAND --help` explains a command. Configurations that stack lie under configs/.
"""


class SaveRunConfig(SaveConfigCallback):
    """Writes the configuration of a training run into its folder, whole or not at all."""

    @override
    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        run = getattr(trainer, "run_folder", None)
        if stage == "fit" and run is not None:
            write_text(run / runs.CONFIG, self.parser.dump(self.config, skip_none=False))


class UnlearningCLI(LightningCLI):
    """LightningCLI with the verb ``unlearn`` and with runs as folders."""

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        unused = {"model", "datamodule", "train_dataloaders", "val_dataloaders", "dataloaders", "return_predictions"}
        commands = ("fit", "unlearn", "validate", "test", "predict")
        return {command: unused | {"weights_only"} for command in commands}

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--run", type=str | None, default=None, help="The run folder; named by what is done if absent."
        )
        parser.add_argument("--overwrite", action="store_true", help="Replace the run that the folder holds.")
        parser.add_argument("--optimizer", type=OptimizerCallable, default=SGD, help="The optimiser of the parameters.")
        parser.add_argument(
            "--schedule", type=Schedule, default="cosine", help="Course of the learning rate over the whole run."
        )
        parser.link_arguments("overwrite", "trainer.overwrite")

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        parser.usage = f"unlearning-pl {subcommand} {USAGE[subcommand]}"
        if subcommand == "unlearn":
            parser.link_arguments(("run", "method"), "trainer.run", compute_fn=_unlearned_folder)
        else:
            parser.link_arguments(("run", "data.train_on"), "trainer.run", compute_fn=_trained_folder)
        return parser

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        assert isinstance(args, list)
        self.config = parser.parse_args(_inheriting(args))

    @override
    def _parse_ckpt_path(self) -> None:
        """Refuse model settings that the checkpoint contradicts, in place of silently keeping the checkpoint's."""
        config = self.config[self.config.subcommand]
        path = config.get("ckpt_path")
        if path is None or path == "last":
            return
        trained = runs.read_checkpoint(path).get("hyper_parameters", {})
        for name, value in (config.model.get("init_args") or {}).items():
            require(
                trained.get(name, value) == value,
                f"Expected model.{name} = {trained.get(name)} as in {path}, got {value}. Leave the setting out.",
            )

    @override
    def after_instantiate_classes(self) -> None:
        config = self.config_init[self.subcommand]
        self.model.optimize_with(config.optimizer, config.schedule)
        if self.subcommand in ("validate", "test", "predict") and config.run is not None:
            self.datamodule.adopt(Path(config.run) / runs.MANIFEST)

    def predict(self, **kwargs: Any) -> None:
        """Embed every image and keep ids and features."""
        batches: Any = self.trainer.predict(**kwargs)
        index, features = (torch.cat(column) for column in zip(*batches, strict=True))
        folder = getattr(self.trainer, "run_folder", None) or Path()
        ids = np.array(self.datamodule.ids)[index.numpy()]
        np.savez(folder / "predictions.npz", ids=ids, features=features.float().numpy())
        Console().print(f"Features of {len(ids)} images: {folder / 'predictions.npz'}")


def audit_parser() -> ArgumentParser:
    """Options of the command ``audit``."""
    parser = ArgumentParser(
        prog="unlearning-pl audit",
        description="Measure unlearned models against the original and the retrained one, and write a report.",
        exit_on_error=False,
    )
    parser.add_argument("--model", type=str, nargs="+", required=True, help="Run folders of unlearned models.")
    parser.add_argument("--original", type=str | None, default=None, help="Run folder of the model they began as.")
    parser.add_argument("--retrained", type=str | None, default=None, help="Run folder trained on the retain set only.")
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image of the membership attack.")
    parser.add_argument("--output", type=str | None, default=None, help="Folder of the report; MODEL/audit if absent.")
    return parser


def audit(args: list[str]) -> None:
    """Run the command ``audit``."""
    options = audit_parser().parse_args(args)
    audits, page = audit_runs(options.model, options.original, options.retrained, options.views, options.output)
    console = Console()
    console.print(table(audits))
    console.print(f"Report: {page}", soft_wrap=True)


def demo_parser() -> ArgumentParser:
    """Options of the command ``demo``."""
    parser = ArgumentParser(
        prog="unlearning-pl demo",
        description="Train, retrain, unlearn five ways and audit on handwritten digits.",
        exit_on_error=False,
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of weights, batches and the forget request.")
    parser.add_argument("--run", type=str, default="runs/demo", help="Folder of all its runs; replaced if it exists.")
    return parser


def run(args: list[str]) -> None:
    """Run one command; errors are exceptions."""
    command, *rest = args
    if command == "audit":
        audit(rest)
    elif command == "demo":
        options = demo_parser().parse_args(rest)
        demo(run, options.seed, options.run)
    else:
        UnlearningCLI(
            Learner,
            UnlearningData,
            SaveRunConfig,
            {"save_to_log_dir": False},
            UnlearningTrainer,
            {"num_sanity_val_steps": 0, "enable_model_summary": False},
            seed_everything_default=0,
            parser_kwargs={
                "exit_on_error": False,
                **{c: {"exit_on_error": False} for c in UnlearningCLI.subcommands()},
            },
            subclass_mode_model=True,
            args=args,
            auto_configure_optimizers=False,
        )


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 for a failed job, 2 for a mistake in the input."""
    args = sys.argv[1:] if args is None else args
    commands = ["demo", "audit", *UnlearningCLI.subcommands()]
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    _hush()
    try:
        near = difflib.get_close_matches(args[0], commands, n=1) or ["--help"]
        require(
            args[0] in commands,
            f"Expected a command ({', '.join(sorted(commands))}), got {args[0]!r}. Did you mean {near[0]}?",
        )
        run(args)
    except (ValueError, ArgumentError) as error:
        mistake = _mistake(error)
        if mistake is None:
            raise
        return _failed(mistake, 2)
    except DivergedError as error:
        return _failed(error, 1)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def _mistake(error: BaseException | None) -> Exception | None:
    """The user's mistake behind an error: the parser wraps what a constructor says."""
    while error is not None and not isinstance(error, (InputError, ArgumentError)):
        error = error.__cause__ or error.__context__
    return error


def _hush() -> None:
    """Keep to what concerns the user."""
    # The data are in memory, so workers would only copy them; curves have a point an epoch.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*is smaller than the logging interval.*")
    # Lightning's own calls that a newer torch or jsonargparse deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "Tip" not in record.getMessage()
    )


def _failed(error: Exception, code: int) -> int:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sys.stderr.write(f"unlearning-pl: error: {' '.join(lines)}\n")
    return code


def _trained_folder(run: str | None, train_on: str) -> str:
    return run or {"all": "runs/original", "retain": "runs/retrained"}[train_on]


def _unlearned_folder(run: str | None, method: Any) -> str:
    name = "FineTune" if method is None else method["class_path"].rsplit(".", 1)[-1]
    return run or "runs/" + "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _inheriting(args: list[str]) -> list[str]:
    """Put model and data of the run that a command starts from before the user's own options."""
    command, *rest = args
    option = {"unlearn": "--original", "validate": "--run", "test": "--run", "predict": "--run"}.get(command)
    given = None if option is None else _value(rest, option)
    if given is None or (command == "unlearn" and Path(given).is_file()):
        return args
    config = runs.read_config(given)
    inherited = {"model": config["model"], "data": config["data"]}
    weights = [] if command == "unlearn" else ["--ckpt_path", str(runs.weights_path(given))]
    return [command, "--config", json.dumps(inherited), *weights, *rest]


def _value(args: list[str], option: str) -> str | None:
    for position, arg in enumerate(args):
        if arg == option and position + 1 < len(args):
            return args[position + 1]
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2]
    return None
