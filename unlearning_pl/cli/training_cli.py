"""LightningCLI with the subcommand ``unlearn`` and with run folders."""

import os
from pathlib import Path
from pydoc import locate
from typing import Any

from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from typing_extensions import override

from unlearning_pl.cli.allowed_classes import require_typed
from unlearning_pl.cli.command_parser import add_allow, parse_with_old_names
from unlearning_pl.cli.deciding_settings import first_change, warn_of_moved_source
from unlearning_pl.cli.guessed_original import with_guessed_model
from unlearning_pl.cli.interpolation import refuse_interpolation
from unlearning_pl.cli.optimizer_options import add_optimizer, resolve_weight_decay
from unlearning_pl.cli.option_texts import DESCRIPTION, EPOCHS, OPTIONS, OWN, USAGE
from unlearning_pl.cli.parse_errors import HelpFormatter, explain_parse_error, find_input_error
from unlearning_pl.cli.plain_values import with_plain_enums
from unlearning_pl.cli.predictions import check_predictions_file, collect_predictions, write_predictions
from unlearning_pl.cli.prepended_config import EVALUATION_COMMANDS, prepend_run_config
from unlearning_pl.cli.short_help import list_methods
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.component_errors import constructor_error
from unlearning_pl.training.parser_mode import PARSER_MODE
from unlearning_pl.training.resume import NORMALISATION, resume_point
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.weights import load_weights
from unlearning_pl.yaml_text.yaml_settings import read_yaml


class UnlearningCLI(LightningCLI):
    """LightningCLI with the subcommand ``unlearn`` and with run folders.

    Attributes:
        predictions: What ``predict`` wrote, and where.
    """

    predictions: str | None = None

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        unused = {"model", "datamodule", "train_dataloaders", "val_dataloaders", "dataloaders", "return_predictions"}
        return {command: unused | {"weights_only"} for command in USAGE if command not in OWN}

    @override
    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        # Create only the parser of the requested command: creating the others takes longer than parsing.
        self.subcommands = lambda: {name: UnlearningCLI.subcommands()[name] for name in kwargs}  # type: ignore[method-assign]
        super()._add_subcommands(parser, **kwargs)

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str | None, default=None, help=OPTIONS["run"])
        parser.add_argument("--overwrite", action="store_true", help=OPTIONS["overwrite"])
        add_optimizer(parser)
        parser.link_arguments("overwrite", "trainer.overwrite")
        parser.link_arguments("seed_everything", "trainer.seed", compute_fn=_trainer_seed)

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        parser.usage = f"unlearning-pl {subcommand} {USAGE[subcommand]}"
        parser.description = DESCRIPTION[subcommand] + (f"\n\n{list_methods()}" if subcommand == "unlearn" else "")
        parser.set_defaults({"trainer.max_epochs": EPOCHS.get(subcommand)})
        if subcommand != "fit":
            add_allow(parser)
        if subcommand == "predict":
            to_help = "File (.npz, .csv or .parquet); default predictions.npz in the run folder."
            parser.add_argument("--to", type=str | None, default=None, help=to_help)
        if subcommand == "unlearn":
            parser.link_arguments(("run", "method", "plugins"), "trainer.run", compute_fn=_unlearning_run_folder)
        else:
            parser.link_arguments(("run", "data.train_on"), "trainer.run", compute_fn=_training_run_folder)
        return parser

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        assert isinstance(args, list)
        self.args = args
        try:
            words = with_guessed_model(prepend_run_config(args), lambda words: parse_with_old_names(parser, words))
            self.config = parse_with_old_names(parser, words)
        except UnicodeDecodeError as error:
            raise InputError("Expected text in every --config, got a binary file. Give YAML files.") from error
        except ArgumentError as error:
            raise InputError(explain_parse_error(str(error), self._parser(args[0]))) from error
        with_plain_enums(self.config)
        resolve_weight_decay(self.config[args[0]])
        settings = self.config[args[0]].as_dict()
        refuse_interpolation({name: settings[name] for name in sorted(settings, key="trainer".__eq__)})
        require_typed(self.config[args[0]].get("allow") or [], args)

    @override
    def _parse_ckpt_path(self) -> None:
        """Check that the settings agree with the checkpoint, where Lightning would silently use one of the two."""
        config = self.config[self.config.subcommand]
        folder, ckpt_path = Path(config.trainer.run), config.get("ckpt_path")
        require(
            self.config.subcommand not in EVALUATION_COMMANDS or ckpt_path not in ("last", "auto"),
            f"Expected a file as ckpt_path, got {ckpt_path}, which resumes a training. Leave it out.",
        )
        path = resume_point(folder, ckpt_path)
        if path is None:
            return
        checkpoint = read_checkpoint(path)
        if folder.resolve() in path.resolve().parents and self.config.subcommand not in EVALUATION_COMMANDS:
            self._check_unchanged(folder, same_source=NORMALISATION not in checkpoint)
        hyper_parameters = checkpoint.get("hyper_parameters", {})
        for name, value in (config.model.get("init_args") or {}).items():
            saved = hyper_parameters.get(name, value)
            require(saved == value, f"Expected model.{name} = {saved} as in {path}, got {value}. Leave it out.")

    def _check_unchanged(self, folder: Path, same_source: bool) -> None:
        command = str(self.config.subcommand)
        current = read_yaml(self._parser(command).dump(self.config[command], skip_none=False))
        before = runs.read_config(folder)
        change = first_change(before, current, same_source)
        if change is not None:
            key, recorded, now = change
            raise InputError(
                f"Expected {key} = {recorded} as in {folder / runs.CONFIG} when resuming, got {now}. Repeat it, or "
                "start a new run."
            )
        warn_of_moved_source(before, current)

    @override
    def _set_seed(self) -> None:
        seed = self.config[self.config.subcommand].seed_everything
        require(0 <= seed < 2**32, f"Expected seed_everything from 0 to {2**32 - 1}, got {seed}. Choose another.")
        super()._set_seed()

    @override
    def before_instantiate_classes(self) -> None:
        config = self.config[self.config.subcommand]
        if self.config.subcommand != "unlearn" or not Path(config.original).is_dir():
            return
        recorded = runs.read_config(config.original)["data"]
        for key in ("validation", "train_on"):
            require(
                config.data[key] == recorded.get(key),
                f"Expected data.{key} = {recorded.get(key)} as in {config.original}, got {config.data[key]}. "
                "Leave it out: unlearning keeps the original's split.",
            )

    @override
    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except InputError:
            raise
        except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
            raise find_input_error(error) or constructor_error(error) from error

    @override
    def after_instantiate_classes(self) -> None:
        config = self.config_init[self.subcommand]
        self.trainer.command = ["unlearning-pl", *self.args]  # type: ignore[attr-defined]
        names = ("optimizer", "schedule", "warmup_steps", "weight_decay_on", "milestones")
        self.model.optimize_with(*(config[name] for name in names))
        if self.subcommand not in EVALUATION_COMMANDS:
            self.trainer.configuration = self._configuration()  # type: ignore[attr-defined]
            return
        if config.ckpt_path or config.run:
            load_weights(self.model, Path(config.ckpt_path or config.run).expanduser())
        if config.run is not None:
            self.datamodule.load_split(Path(config.run).expanduser() / runs.MANIFEST)

    def _configuration(self) -> str:
        """Return the config.yaml that repeats the run, without ``--overwrite`` and ``--ckpt_path``."""
        command = str(self.subcommand)
        config = self.config[command].clone()
        config["overwrite"], config["ckpt_path"] = False, None
        config.pop("allow", None)  # a run cannot allow itself anything
        return str(self._parser(command).dump(config, skip_none=False))

    @override
    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand in EVALUATION_COMMANDS:
            kwargs["ckpt_path"] = None  # its weights are loaded already
        return kwargs if subcommand == "unlearn" else kwargs | {"weights_only": True}

    def predict(self, **kwargs: Any) -> None:
        """Extract features and class probabilities of every image, and save them with the ids."""
        config = self.config[self.subcommand]
        require(
            self.trainer.world_size == 1,
            f"Expected one process to predict, got {self.trainer.world_size}. Set trainer.devices to 1.",
        )
        path = Path(config.trainer.run) / "predictions.npz" if config.to is None else Path(config.to).expanduser()
        if config.to is not None:
            check_predictions_file(path, config.overwrite)
        batches: Any = self.trainer.predict(**kwargs)
        rows = collect_predictions(batches, self.datamodule.ids, self.model)
        write_predictions(path, rows)
        kind = "Features" if rows.probabilities is None else "Features and class probabilities"
        self.predictions = f"{kind} of {pluralize(len(rows.ids), 'image')}: {path}"


def run_training_command(args: list[str], cli: type[UnlearningCLI] = UnlearningCLI) -> UnlearningCLI:
    """Run a command that trains or reads a run; errors are raised as exceptions."""
    strict = {"exit_on_error": False, "allow_abbrev": False, "parser_mode": PARSER_MODE}
    return cli(
        Learner,
        UnlearningData,
        trainer_class=UnlearningTrainer,
        save_config_callback=None,
        trainer_defaults={"num_sanity_val_steps": 0, "enable_model_summary": False, "devices": 1},
        seed_everything_default=0,
        parser_kwargs={"prog": "unlearning-pl", "formatter_class": HelpFormatter, **strict, args[0]: strict},
        subclass_mode_model=True,
        args=args,
        auto_configure_optimizers=False,
    )


def _trainer_seed(seed: bool | int) -> int | None:
    """Seed of the trainer; True lets ``seed_everything`` draw one, and False gives none."""
    return None if isinstance(seed, bool) else seed


def _training_run_folder(run: str | None, train_on: str) -> str:
    return os.path.expanduser(run or {"all": "runs/original", "retain": "runs/retrained"}[train_on])


def _unlearning_run_folder(run: str | None, method: Any, plugins: Any) -> str:
    methods = ([] if method is None else [method]) + [*(plugins or [])]
    modules = [locate(settings["class_path"]).__module__.rsplit(".", 1)[-1] for settings in methods]
    return os.path.expanduser(run or f"runs/{'_'.join(modules) or 'fine_tune'}")
