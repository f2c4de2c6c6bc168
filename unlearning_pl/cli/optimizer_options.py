"""The options of the optimiser, its learning-rate schedule and its weight decay."""

from pydoc import locate

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, OptimizerCallable

from unlearning_pl.cli.option_texts import OPTIONS
from unlearning_pl.learners.lr_schedule import Schedule
from unlearning_pl.learners.parameter_groups import WeightDecayOn

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.06, "momentum": 0.9, "weight_decay": 5e-4}}


def add_optimizer(parser: LightningArgumentParser) -> None:
    """Add the options of the optimiser to the parser of a training command.

    Args:
        parser: The parser.

    Example:
        >>> parser = LightningArgumentParser()
        >>> add_optimizer(parser)
        >>> parser.parse_args(["--warmup_steps", "10"]).warmup_steps
        10
    """
    parser.add_argument("--optimizer", type=OptimizerCallable, default=SGD, help=OPTIONS["optimizer"])
    parser.add_argument("--schedule", type=Schedule, default="cosine", help=OPTIONS["schedule"])
    parser.add_argument("--warmup_steps", type=int, default=0, help=OPTIONS["warmup_steps"])
    parser.add_argument("--milestones", type=list[int], default=[], help=OPTIONS["milestones"])
    parser.add_argument("--weight_decay_on", type=WeightDecayOn | None, default=None, help=OPTIONS["weight_decay_on"])


def resolve_weight_decay(settings: Namespace) -> None:
    """Write the model's own default in place of ``weight_decay_on: null``, so that config.yaml records what was used.

    Args:
        settings: Parsed settings of a training command, changed in place.

    Example:
        >>> settings = Namespace(model=Namespace(class_path="unlearning_pl.learners.CLIP"), weight_decay_on=None)
        >>> resolve_weight_decay(settings)
        >>> settings.weight_decay_on
        'matrices'
    """
    if settings.weight_decay_on is None:
        # A function that makes a learner has no default: the learner's applies, and the configuration keeps null.
        settings.weight_decay_on = getattr(locate(settings.model.class_path), "weight_decay_on", None)
