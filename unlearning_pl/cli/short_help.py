"""Short help of commands with many options: those that people use, a line each; ``--help=all`` shows the others too.

The texts are read from docstrings without importing the classes, so that the help appears at once.
"""

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from unlearning_pl.cli.option_texts import DESCRIPTION, EPOCHS, OPTIONS, OWN, USAGE
from unlearning_pl.cli.source_docstrings import Documented, documented, exported

_TEXTS = {
    "run": "Run folder",
    "config": "YAML file of options; a later one overrides an earlier one",
    "ckpt_path": "Resume: auto, last or a checkpoint of the run",
    "weights": "Initial weights: a run, checkpoint or safetensors file",
    "allow": "Packages of your own that a run's settings may name",
    "forget.fraction": "Fraction of the training images, drawn at random",
    "forget.classes": "Names of classes: '[truck, ship]'",
    "forget.ids": "Ids of images: '[train/17]'",
    "forget.file": "File of ids: .txt, .csv or .json",
    "forget.per_class": "Number drawn from each class, or {cat: 5, dog: 10}",
    "forget.where": "Condition on metadata, id or class: 'owner == 17'",
    "forget.seed": "Seed of the random draw",
    "data.source": "Source of the images, for instance Folder",
    "data.views": "Random augmentation, for instance ContrastiveViews",
    "data.eval_batch_size": "Rows of an evaluation batch [batch_size, up to 256]",
    "data.workers": "Processes that decode streamed images",
    "data.validation": "Fraction of the training images to hold out",
    "data.train_on": "all, or retain for the retrained reference",
    "stop": "held_out: when forget and held-out images look alike",
    "stop_every": "Steps between two comparisons of --stop; else an epoch",
    "optimizer": "SGD, AdamW, ... or a class of your own [SGD]",
    "optimizer.lr": "Learning rate; other arguments likewise [0.06]",
    "schedule": "constant, cosine, one_cycle or multi_step [cosine]",
    "milestones": "Epochs after which multi_step divides the rate by ten",
    "warmup_steps": "Steps of a rising learning rate first [0]",
    "weight_decay_on": "What weight decay acts on: all or matrices",
    "seed_everything": "Seed of weights, batches and views [0]",
    "trainer.max_epochs": "Number of epochs",
    "trainer.devices": "Processes of a node, one a device [1]",
    "trainer.num_nodes": "Number of nodes [1]",
    "trainer.accelerator": "cpu, gpu, mps or auto [auto]",
    "trainer.strategy": "auto, ddp or fsdp [auto]",
    "trainer.precision": "32-true, bf16-mixed or 16-mixed [32-true]",
    "trainer.compile": "Compile the encoder with torch.compile",
    "trainer.channels_last": "Channels-last memory format [true]",
    "trainer.checkpoint_minutes": "Minutes between checkpoints in an epoch",
    "trainer.callbacks+": "Add a callback, for instance MembershipMonitor",
    "trainer.logger": "TensorBoardLogger, CSVLogger, WandbLogger, ...",
    "trainer.fast_dev_run": "Run one batch and write nothing",
}
"""Texts of options whose documentation is longer than a line, and of Lightning's own."""

_DEFAULTS: Mapping[str, Mapping[str, int | str]] = {
    "trainer.max_epochs": EPOCHS,
    "run": {"fit": "runs/original or runs/retrained", "unlearn": "runs/METHOD"},
}
"""Defaults that depend on the command."""

_HARDWARE = ("devices", "num_nodes", "accelerator", "strategy", "precision")
_TRAINING = (
    *("trainer.max_epochs", "optimizer", "optimizer.lr", "schedule", "milestones", "warmup_steps"),
    "weight_decay_on",
    *("seed_everything", *(f"trainer.{name}" for name in _HARDWARE), "trainer.compile", "trainer.channels_last"),
    *("trainer.checkpoint_minutes", "trainer.callbacks+", "trainer.logger", "trainer.fast_dev_run"),
)
_REQUEST = ("fraction", "count", "classes", "ids", "file", "per_class", "where", "seed")
_DATA = ("source", "views", "batch_size", "eval_batch_size", "workers")
_EVALUATION = {
    "Run": ("run", "config", "allow"),
    "Data, where the images were moved": tuple(f"data.{name}" for name in ("source", "eval_batch_size", "workers")),
    "Hardware": tuple(f"trainer.{name}" for name in (*_HARDWARE, "logger")),
}
SECTIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "fit": {
        "Run": ("run", "overwrite", "ckpt_path", "config", "weights"),
        "Data": tuple(f"data.{name}" for name in (*_DATA, "validation", "train_on")),
        "Request, for --data.train_on retain: one of": tuple(f"data.forget.{name}" for name in _REQUEST),
        "Training": _TRAINING,
    },
    "unlearn": {
        "Run": ("original", "run", "overwrite", "ckpt_path", "config", "allow"),
        "Request: one of": tuple(f"forget.{name}" for name in _REQUEST),
        "Data, of the original's run": tuple(f"data.{name}" for name in _DATA),
        "Stopping": ("stop", "stop_every"),
        "Training": _TRAINING,
    },
    **dict.fromkeys(("validate", "test", "predict"), _EVALUATION),
    "split": {
        "Run": ("original", "architecture", "config", "allow"),
        "Request: one of": tuple(f"forget.{name}" for name in _REQUEST),
        "Request by the original: one of": ("hardest", "easiest", "nearest", "count"),
        "Preview": ("earlier", "threshold", "show", "output", "overwrite", "include_duplicates"),
        "Data, without a run": tuple(f"data.{name}" for name in _DATA),
    },
    "views": {
        "Run": ("run", "config", "allow"),
        "Sheet": ("images", "ids", "views", "seed", "output", "overwrite"),
        "Data": ("data.source", "data.views"),
    },
}
"""The options of the short help, by command and section."""

_MIN_COLUMNS = 60
"""A narrower terminal breaks the lines: the names of the options alone take half of this."""
_TITLE = re.compile(r"^[^:,.]{1,46}: ")
"""What the name of a class says already, at the start of its docstring."""


def short_help(command: str, width: int | None = None) -> str:
    """Write the short help of a command.

    Args:
        command: The command.
        width: Number of columns, 60 or more; those of the terminal when not given.

    Example:
        >>> print(short_help("test", 80).splitlines()[0])
        usage: unlearning-pl test --run RUN [options]
    """
    columns = max(_MIN_COLUMNS, width or shutil.get_terminal_size().columns)
    usage = textwrap.wrap(f"usage: unlearning-pl {command} {USAGE[command]}", columns, subsequent_indent=" " * 7)
    options = {
        title: {f"--{name}": _row(command, name) for name in names} for title, names in SECTIONS[command].items()
    }
    sections = {"Run": options.pop("Run"), **_classes(command), **options, "More": _more(command)}
    lines = [*usage, "", *textwrap.wrap(DESCRIPTION[command], columns)]
    for title, rows in sections.items():
        lines += ["", f"{title}:", *_table(rows, columns)]
    return "\n".join(lines) + "\n"


def methods() -> dict[str, str]:
    """First line of the docstring of each unlearning method, by name.

    Example:
        >>> methods()["GradientAscent"]
        'Gradient ascent (GA): maximise the training loss of the forget set.'
    """
    return _summaries("methods", ("Unlearner",))


def plugins() -> dict[str, str]:
    """First line of the docstring of each plug-in, by name.

    Example:
        >>> list(plugins())
        ['CoUn', 'L1Sparse', 'WeightDistance']
    """
    return _summaries("methods", ("PlugIn",))


def models() -> dict[str, str]:
    """First line of the docstring of each learner, by name.

    Example:
        >>> list(models())
        ['BYOL', 'Classifier', 'CLIP', 'MoCo', 'SimCLR']
    """
    return _summaries("learners", ("Learner", "ContrastiveLearner"))


def sources() -> dict[str, str]:
    """First line of the docstring of each source of images, by name.

    Example:
        >>> sources()["Folder"]
        'Images of two folders, one for training and one for testing, each with a folder per class.'
    """
    return _summaries("data", ("Source", "TorchvisionArrays", "PhotographFiles"))


def list_methods() -> str:
    """List all methods and plug-ins, one per line, for the full help.

    Example:
        >>> "  FineTune" in list_methods()
        True
    """
    blocks = []
    for title, rows in _classes("unlearn").items():
        width = max(map(len, rows))
        blocks.append("\n".join([f"{title}:", *(f"  {name:{width}}  {text}" for name, text in rows.items())]))
    return "\n\n".join(blocks)


def _classes(command: str) -> dict[str, dict[str, str]]:
    if command == "unlearn":
        return {"Methods, --method NAME": methods(), "Plug-ins, --plugins+=NAME": plugins()}
    return (
        {"Models, --model NAME": models(), "Sources of images, --data.source NAME": sources()}
        if command == "fit"
        else {}
    )


def _summaries(package: str, bases: Sequence[str]) -> dict[str, str]:
    classes = {name: text.summary for name, text in exported(package).items() if {*bases} & {*text.bases}}
    concrete = {name: text for name, text in classes.items() if not text.startswith("Base class")}
    return dict(sorted(concrete.items(), key=lambda row: row[0].lower()))


def _row(command: str, option: str) -> str:
    """The text on an option: a line, and its default in brackets."""
    if option in OWN.get(command, {}):
        return OWN[command][option]
    group, _, name = option.rpartition(".")
    source = _documentation(command, group)
    text = _TEXTS.get(option.removeprefix("data.") if "forget" in option else option)
    sentences = OPTIONS.get(option) or source.arguments.get(name, "")
    text = text or re.split(r"(?<=\w)\. |;", sentences)[0].removesuffix(".")
    default = _DEFAULTS.get(option, {}).get(command, source.defaults.get(name))
    if command != "fit" and group == "data":  # the run's own setting
        text, default = text.partition(" [")[0], None
    shown = default is not None and not isinstance(default, bool) and not text.endswith("]")
    return f"{text} [{default:g}]" if shown and isinstance(default, float) else f"{text} [{default}]" if shown else text


def _documentation(command: str, group: str) -> Documented:
    if group.endswith("forget"):
        return documented("data/splits/forget_request.py", "ForgetRequest")
    if group == "data":
        return documented("data/datamodule.py", "UnlearningData")
    method = f".{command}" if command in ("fit", "unlearn") and not group else ""
    return documented("training/trainer.py", f"UnlearningTrainer{method}")


def _more(command: str) -> dict[str, str]:
    """How to see the other options."""
    trains = command not in OWN
    methods = {"--method.help NAME": "the options of a method; likewise --plugins.help"} if command == "unlearn" else {}
    return {
        "--help=all": "all options, those of Lightning's trainer included" if trains else "all options",
        "--print_config": "the whole configuration as YAML, to save and edit",
        **methods,
        **({"--model.help NAME": "the options of a model"} if trains else {}),
        "--data.source.help NAME": "the options of a source; likewise --data.views.help",
        **({"--optimizer.help NAME": "the options of an optimiser"} if trains else {}),
    }


def _table(rows: Mapping[str, str], columns: int) -> Iterator[str]:
    width = max(map(len, rows))
    for name, text in rows.items():
        text = text if name.startswith("--") else _TITLE.sub("", text.replace("``", ""))
        yield f"  {name:{width}}  " + textwrap.shorten(text, columns - width - 4, placeholder=" ...")
