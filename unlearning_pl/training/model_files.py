"""A file of weights as a model: its architecture guessed, with the size of images that it takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from unlearning_pl.errors import require
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners import Learner
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.learners.open_clip_towers import SLIM, tower_settings
from unlearning_pl.training.guess_model import GuessedModel, guess_model
from unlearning_pl.training.read_tensors import read_tensors
from unlearning_pl.training.saved_folder import saved_architecture
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.training.weights import load_weights


class FileModel(NamedTuple):
    """The model of a file.

    Attributes:
        guessed: Its class and arguments.
        resize: How its images are resized; None if its library does not say.
    """

    guessed: GuessedModel
    resize: Resize | None

    @property
    def sentence(self) -> str:
        """What was guessed."""
        images = "" if self.resize is None else f" Images: {self.resize}, as the model's own evaluation transform."
        return f"Model: {self.guessed}, by the names and shapes of its tensors.{images}"

    def build(self) -> Learner:
        """The learner with random weights."""
        return self.guessed.learner(**self.guessed.arguments)


def guess_file(file: Path, architecture: str | None = None) -> FileModel:
    """Guess the model of a file of weights, see :func:`~unlearning_pl.training.guess_model.guess_model`.

    Args:
        file: Weights of any tool.
        architecture: Name of the backbone, if it is known; by default that of a configuration of transformers beside
            the file.

    Raises:
        InputError: If the file holds no weights, or those of no known model.
    """
    saved = saved_architecture(file) if architecture is None else None
    library = None if saved is None else library_model(saved)
    require(
        library is None or library.classifier is not None,
        f"Expected a model with a classifier, got the encoder {file}. Train one from it: fit --model Classifier "
        f"--model.backbone {saved} --weights {file}.",
    )
    architecture = architecture or saved
    guessed = guess_model(find_state_dict(read_tensors(file), file), str(file), architecture)
    return FileModel(guessed, model_resize(guessed.settings()))


def open_file(file: Path, architecture: str | None = None) -> tuple[Learner, FileModel]:
    """Guess the model of a file, and load its weights.

    Raises:
        InputError: As for :func:`guess_file`, or if a weight is not finite.
    """
    model = guess_file(file, architecture)
    learner = model.build()
    load_weights(learner, file)
    return learner, model


def model_resize(model: Mapping[str, Any]) -> Resize | None:
    """How a model's images are resized, given its settings; None if its library does not say.

    Example:
        >>> str(model_resize({"class_path": "Classifier", "init_args": {"backbone": "torchvision/resnet50"}}))
        'shorter side 232, bilinear, centre 224'
    """
    arguments = model.get("init_args") or {}
    if model["class_path"].rpartition(".")[2] == "CLIP":
        size = arguments.get("image_size") or tower_settings(arguments["model"])["vision_cfg"].get("image_size", 224)
        return None if arguments["model"] in SLIM else Resize(size, size, "bicubic")
    library = library_model(str(arguments.get("backbone", "")))
    return None if library is None or library.preprocessing is None else library.preprocessing.resize
