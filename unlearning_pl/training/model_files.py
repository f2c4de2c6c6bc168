"""A file of weights as a model: its architecture guessed, with the size of images that it takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from unlearning_pl.errors import require
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners import CLIP, Learner
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.learners.open_clip_towers import tags_apart, tower_preprocessing
from unlearning_pl.training.dense_tensors import check_tensors
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
    state = find_state_dict(read_tensors(file), file)
    check_tensors(state, file)
    guessed = guess_model(state, str(file), architecture or saved)
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
    if _is_clip(model):
        preprocessing = tower_preprocessing(arguments["model"], arguments.get("image_size"))
    else:
        library = library_model(str(arguments.get("backbone", "")))
        preprocessing = None if library is None else library.preprocessing
    return None if preprocessing is None else preprocessing.resize


def published_apart(model: Mapping[str, Any]) -> list[str]:
    """Tags of weights of a model of open_clip that are published with another evaluation transform than its others.

    Example:
        >>> published_apart({"class_path": "unlearning_pl.learners.CLIP", "init_args": {"model": "ViT-L-14"}})
        ['laion2b_s32b_b82k']
    """
    return tags_apart(model["init_args"]["model"]) if _is_clip(model) else []


def _is_clip(model: Mapping[str, Any]) -> bool:
    return model["class_path"] in ("CLIP", f"{CLIP.__module__}.CLIP", "unlearning_pl.learners.CLIP")
