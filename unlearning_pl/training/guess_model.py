"""Guess the model that a file of weights belongs to, from the names and shapes of its tensors.

Letters: K classes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, get_args

from torch import Tensor
from torchvision import models

from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.learners import BYOL, CLIP, Classifier, Learner, MoCo, SimCLR
from unlearning_pl.learners.backbones import BUILDERS
from unlearning_pl.learners.key_maps import KEY_MAPS, OWN, KeyMap, library_map
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.learners.projection_heads import HeadKind
from unlearning_pl.training.guess_clip import clip_models, guess_clip
from unlearning_pl.training.model_shapes import (
    Shapes,
    built_shapes,
    classifier_shapes,
    encoder_shapes,
    equal_shapes,
    renamed_shapes,
)
from unlearning_pl.training.state_dicts import PREFIXES, plain_name

_Backbones = Callable[[], Iterator[str]]

_PARTS: dict[type[Learner], set[str]] = {
    SimCLR: {"backbone", "projection_head"},
    MoCo: {"backbone", "projection_head", "key_encoder"},
    BYOL: {"backbone", "projection_head", "prediction_head", "target_encoder"},
}
"""First parts of the names of a learner's weights."""
_RESCALING = {
    "torchvision/googlenet": "here torchvision/googlenet does not",
    "torchvision/inception_v3": "here timm/inception_v3.tv_in1k does, torchvision/inception_v3 does not",
}
"""Models that torchvision builds in two ways, and what to name."""
_VARIANTS = tuple(f"{library}/resnet{depth}" for library in ("solo-learn", "lightly") for depth in (18, 34, 50))


class GuessedModel(NamedTuple):
    """A learner's class and arguments.

    Attributes:
        learner: The class.
        arguments: Arguments of its constructor.
    """

    learner: type[Learner]
    arguments: dict[str, Any]

    def settings(self) -> dict[str, Any]:
        """The same as settings of a command line or a configuration."""
        return {"class_path": f"unlearning_pl.learners.{self.learner.__name__}", "init_args": self.arguments}

    def options(self) -> list[str]:
        """The same as options of a training command.

        Example:
            >>> GuessedModel(Classifier, {"backbone": "resnet18"}).options()
            ['--model', 'Classifier', '--model.backbone', 'resnet18']
        """
        arguments = [word for name, value in self.arguments.items() for word in (f"--model.{name}", str(value))]
        return ["--model", self.learner.__name__, *arguments]

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.arguments.items())
        return f"{self.learner.__name__} ({values})"


def guess_model(state: Mapping[str, Tensor], path: str, architecture: str | None = None) -> GuessedModel:
    """Guess the learner whose weights have the names and shapes of a file's tensors.

    Considered are the classifiers of torchvision, the ResNets of solo-learn and lightly for small images, this
    package's own backbones, open_clip's models, and SimCLR, MoCo and BYOL on them. A model that has the same tensors in
    torchvision and in timm is taken for torchvision's. Other models of timm have to be named, and so do models that
    have the tensors of another one and compute something else from them: QuickGELU in place of GELU, another padding.

    Args:
        state: Tensors by their names in the file.
        path: The file, for messages.
        architecture: Name of the backbone, such as ``timm/vit_tiny_patch16_224``, or of a model of open_clip, if it is
            known.

    Raises:
        InputError: If no model has these names and shapes, or several that differ.

    Example:
        >>> str(guess_model(models.resnet18(num_classes=7).state_dict(), "w.pt"))
        'Classifier (backbone torchvision/resnet18, num_classes 7)'
    """
    shapes = {plain_name(name): tuple(value.shape) for name, value in state.items()}
    for names in _without_prefixes(shapes):
        clip = guess_clip(names, path, architecture) if architecture in (None, *clip_models()) else None
        if clip is not None:
            return GuessedModel(CLIP, {"model": clip})
        backbones = partial(_backbones, names) if architecture is None else partial(_named_backbone, architecture)
        match = _guess_classifier(names, backbones) or _guess_contrastive(names, backbones)
        if match is not None:
            if architecture is None:
                _require_decided(*match, path)
            return match[0]
    _require_head(shapes, architecture, path)
    first = ", ".join(shown(name) for name in [*shapes][:3])
    remedy = "Name the model" if architecture is None else "Name another model"
    remedy += ", for instance --model Classifier --model.backbone timm/NAME --model.num_classes K; in commands that "
    remedy += "have no such options --architecture timm/NAME."
    raise InputError(
        f"Expected the weights of {architecture or 'a model that is known by its tensors'}, got {path} with "
        f"{len(shapes)} others ({first}, ...). {remedy}"
    )


def _require_head(shapes: Shapes, architecture: str | None, path: str) -> None:
    """Name the encoder whose tensors a file has without a head, which a learner needs."""
    for names in _without_prefixes(shapes):
        names = {name.removeprefix("backbone."): shape for name, shape in names.items()}
        backbones = _backbones(names) if architecture is None else _named_backbone(architecture)
        encoder = next((name for name in backbones if equal_shapes(names, encoder_shapes(name))), None)
        require(
            encoder is None,
            f"Expected the weights of a whole model, got {path} with those of the encoder {encoder} alone. Save the "
            "model with its classifier or projection head.",
        )


def _require_decided(model: GuessedModel, key_map: KeyMap, path: str) -> None:
    """Refuse to guess among models that have the same tensors and compute something else from them."""
    backbone = model.arguments["backbone"]
    library, _, name = backbone.partition("/")
    difference = ""
    if library == "solo-learn" and key_map.name != library:
        difference = f"the padding of the first convolution, 2 in {backbone} and 1 in cifar/{name}"
    elif backbone in _RESCALING:
        difference = f"whether the input is rescaled, as in models with published weights ({_RESCALING[backbone]})"
    require(
        not difference,
        f"Expected a model that is known by its tensors, got {path} with those of {backbone}, which do not tell "
        f"{difference}. Name it, for instance {' '.join(model.options())}, or in commands that have no such options "
        f"--architecture {backbone}.",
    )


def _without_prefixes(shapes: Shapes, depth: int = 2) -> Iterator[Shapes]:
    yield shapes
    for prefix in PREFIXES if depth else ():
        if shapes and all(name.startswith(prefix) for name in shapes):
            yield from _without_prefixes({name.removeprefix(prefix): s for name, s in shapes.items()}, depth - 1)


def _guess_classifier(shapes: Shapes, backbones: _Backbones) -> tuple[GuessedModel, KeyMap] | None:
    for name in backbones():
        library = library_model(name)
        place = "head" if library is None else library.classifier
        classes = shapes.get("head.weight", shapes.get(f"{place}.weight", ()))
        if len(classes) != 2:
            continue
        arguments = {"backbone": name, "num_classes": classes[0]}
        maps = [] if library is None else [library_map(library)]
        for key_map in [OWN, *maps]:
            if equal_shapes(renamed_shapes(key_map, shapes), classifier_shapes(name, classes[0])):
                return GuessedModel(Classifier, arguments), key_map
    return None


def _guess_contrastive(shapes: Shapes, backbones: _Backbones) -> tuple[GuessedModel, KeyMap] | None:
    for learner, parts in _PARTS.items():
        for key_map in (OWN, *KEY_MAPS[learner.__name__]):
            renamed = renamed_shapes(key_map, shapes)
            if {name.partition(".")[0] for name in renamed} - {"queue"} != parts:
                continue
            own = {n.removeprefix("backbone."): s for n, s in renamed.items() if n.startswith("backbone.")}
            backbone = next((name for name in backbones() if equal_shapes(own, encoder_shapes(name))), None)
            head = _guess_head(learner, renamed) if backbone is not None else None
            if head is not None:
                queue = {"queue_size": renamed["queue.keys"][0]} if "queue.keys" in renamed else {}
                return GuessedModel(learner, {"backbone": backbone, **head, **queue}), key_map
    return None


def _guess_head(learner: type[Learner], renamed: Shapes) -> dict[str, Any] | None:
    """Arguments of the learner that decide its heads."""
    heads = {
        name: shape for name, shape in renamed.items() if name.split(".")[0] in ("projection_head", "prediction_head")
    }
    linear = [shape for name, shape in heads.items() if name.startswith("projection_head.") and len(shape) == 2]
    prediction = heads.get("prediction_head.layers.0.weight", ())
    if not linear or (learner is BYOL and not prediction):
        return None
    kinds: tuple[HeadKind, ...] = get_args(HeadKind)
    for kind in kinds:
        hidden = {} if kind == "linear" else {"hidden_dim": linear[0][0]}
        arguments = {"projection_dim": linear[-1][0], "projection_head": kind, **hidden}
        if learner is BYOL:
            arguments |= {"prediction_dim": prediction[0]}
        if equal_shapes(heads, _head_shapes(learner, arguments, linear[0][1])):
            return arguments
    return None


def _head_shapes(learner: type[Learner], arguments: Mapping[str, Any], features: int) -> Shapes:
    """Shapes of the heads of a learner on an encoder of this width; none if it takes no such head."""
    try:
        built = built_shapes(lambda: learner("resnet9_slim", **arguments))  # type: ignore[arg-type]
    except InputError:
        return {}
    return {
        name: (*shape[:1], features) if name == "projection_head.layers.0.weight" else shape
        for name, shape in built.items()
        if name.split(".")[0] in ("projection_head", "prediction_head")
    }


def _named_backbone(architecture: str) -> Iterator[str]:
    """The backbone of that name; none for a name of a model of open_clip alone."""
    try:
        encoder_shapes(architecture)
    except InputError:
        if architecture in clip_models():
            return
        raise
    yield architecture


def _backbones(shapes: Shapes) -> Iterator[str]:
    """Names of the backbones that are considered: those that are fast to build, and often used, first."""
    is_regnet = any("trunk_output." in name for name in shapes)  # others need not wait for its largest to be built
    known = models.list_models(module=models)
    often = [name for name in known if name.startswith(("resnet", "vgg", "mobilenet", "efficientnet_b0", "vit_b"))]
    others = [name for name in known if not name.startswith(("squeezenet", "maxvit", "regnet"))]
    rarely = [name for name in others if name not in often]
    if is_regnet:
        often = [name for name in known if "regnet" in name]
    yield from (f"torchvision/{name}" for name in often)
    yield from (*_VARIANTS, *BUILDERS)
    yield from (f"torchvision/{name}" for name in rarely)
