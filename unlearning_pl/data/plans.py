"""Plans: what a training, an evaluation or an audit reads, as immutable values from which loaders are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from lightning.pytorch import Callback, LightningModule, Trainer

from unlearning_pl.data.seeds import effective_seed
from unlearning_pl.types import Pixels, Split

Streams = Callable[[int], tuple[Split, ...]]
"""Names of the streams of an epoch, by its number."""


class InputSpec(NamedTuple):
    """What a module reads of an image, as it declares it by attributes.

    Attributes:
        views: Augmented views that its loss needs, ``num_views``; 1 is the clean image in evaluation.
        pixels: Channel statistics that normalise its images; None for those of the source.
        context_length: Length in tokens of its captions; None if it reads no text.
    """

    views: int = 2
    pixels: Pixels | None = None
    context_length: int | None = None

    @classmethod
    def of(cls, module: Any) -> "InputSpec":
        """The declaration of a module, with defaults for the attributes that it lacks.

        Example:
            >>> from unlearning_pl.learners import Classifier
            >>> InputSpec.of(Classifier("resnet9_slim", 10)).views
            1
        """
        default = cls()
        pixels, length = getattr(module, "pixels", None), getattr(module, "context_length", None)
        return cls(getattr(module, "num_views", default.views), pixels, length)


@dataclass(frozen=True)
class SamplePlan:
    """How a sample is made of the image at a position.

    Attributes:
        views: Number of augmented views.
        clean: Whether the clean image comes before them.
        captions: A ``random`` caption of an image, its ``first``, or ``all`` of them.
        pixels, context_length: As in :class:`InputSpec`.
        seed: Seed of the run.
    """

    views: int
    clean: bool
    captions: Literal["random", "first", "all"]
    pixels: Pixels | None
    context_length: int | None
    seed: int

    @classmethod
    def training(cls, reads: InputSpec, seed: int) -> "SamplePlan":
        """Augmented views, and a random caption."""
        return cls(reads.views, False, "random", reads.pixels, reads.context_length, seed)

    @classmethod
    def evaluation(cls, reads: InputSpec, seed: int) -> "SamplePlan":
        """The views of the training loss, or the clean image if it needs one view; the first caption."""
        views = reads.views if reads.views > 1 else 0
        return cls(views, not views, "first", reads.pixels, reads.context_length, seed)

    @classmethod
    def embedding(cls, reads: InputSpec, views: int, seed: int) -> "SamplePlan":
        """The clean image, then augmented views; all captions."""
        return cls(views, True, "all", reads.pixels, reads.context_length, seed)


@dataclass(frozen=True)
class TrainingPlan:
    """What the steps of a training read.

    Attributes:
        streams: Names of the streams of an epoch.
        sample: How the samples of a step are made.
        batch_sizes: Rows of a step, over all processes, in an epoch that reads one stream alone, by its name; those
            of other epochs are ``data.batch_size``.

    Example:
        >>> plan = TrainingPlan(lambda epoch: ("train",), SamplePlan.training(InputSpec(views=1), seed=0))
        >>> plan = plan.feed(lambda epoch: ("forget", "retain"), views=2)
        >>> plan.streams(0), plan.sample.views
        (('forget', 'retain'), 2)
    """

    streams: Streams
    sample: SamplePlan
    batch_sizes: Mapping[Split, int] = field(default_factory=dict)

    def feed(self, streams: Streams, views: int = 1) -> "TrainingPlan":
        """A plan with these streams instead, and at least this number of views."""
        return replace(self, streams=streams, sample=replace(self.sample, views=max(self.sample.views, views)))

    def batch_size(self, streams: tuple[Split, ...]) -> int | None:
        """Rows of a step that reads these streams; None for ``data.batch_size``."""
        return self.batch_sizes.get(streams[0]) if len(streams) == 1 else None


@runtime_checkable
class Feeds(Protocol):
    """A callback that decides what the steps read."""

    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        """The plan with this callback, given the plan without it and the callbacks after it."""


def training_plan(
    trainer: Trainer, module: LightningModule, train_on: Literal["all", "retain"], until: Callback | None = None
) -> TrainingPlan:
    """Make the plan of a fit: what the module reads, then what each callback feeds, in their order.

    Args:
        trainer: The trainer with its callbacks.
        module: The module to train.
        train_on: Images to train on if no callback feeds others.
        until: Callback at which to stop: the plan is that of the callbacks before it.
    """
    streams: tuple[Split, ...] = ("train",) if train_on == "all" else ("retain",)
    sample = SamplePlan.training(InputSpec.of(module), effective_seed(trainer))
    plan = TrainingPlan(lambda epoch: streams, sample)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if callback is until:
            break
        plan = callback.extend_plan(plan) if isinstance(callback, Feeds) else plan
    return plan
