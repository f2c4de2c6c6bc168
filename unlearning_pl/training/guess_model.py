"""Guess the model that a file of weights belongs to, from the names and shapes of its tensors.

Letters: K classes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torchvision import models

from unlearning_pl.errors import InputError, shown
from unlearning_pl.learners import BYOL, CLIP, Classifier, Learner, MoCo, SimCLR
from unlearning_pl.learners.backbones import BUILDERS, build_backbone
from unlearning_pl.learners.key_maps import KEY_MAPS, OWN, KeyMap, classifier_map
from unlearning_pl.learners.library_models import library_model
from unlearning_pl.learners.projection_heads import HeadKind
from unlearning_pl.training.match_weights import COUNTER
from unlearning_pl.training.state_dicts import PREFIXES, plain_name

Shapes = dict[str, tuple[int, ...]]
_Backbones = Callable[[], Iterator[str]]

_PARTS: dict[type[Learner], set[str]] = {
    SimCLR: {"backbone", "projection_head"},
    MoCo: {"backbone", "projection_head", "key_encoder"},
    BYOL: {"backbone", "projection_head", "prediction_head", "target_encoder"},
}
"""First parts of the names of a learner's weights."""
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
    torchvision and in timm is taken for torchvision's. Other models of timm have to be named.

    Args:
        state: Tensors by their names in the file.
        path: The file, for messages.
        architecture: Name of the backbone, such as ``timm/vit_tiny_patch16_224``, if it is known.

    Raises:
        InputError: If no model has these names and shapes.

    Example:
        >>> str(guess_model(models.resnet18(num_classes=7).state_dict(), "w.pt"))
        'Classifier (backbone torchvision/resnet18, num_classes 7)'
    """
    shapes = {plain_name(name): tuple(value.shape) for name, value in state.items()}
    for names in _without_prefixes(shapes):
        backbones = partial(_backbones, names) if architecture is None else partial(iter, [architecture])
        model = _guess_classifier(names, backbones) or _guess_contrastive(names, backbones)
        if model is None and architecture is None:
            model = _guess_clip(names)
        if model is not None:
            return model
    first = ", ".join(shown(name) for name in [*shapes][:3])
    remedy = "Name the model" if architecture is None else "Name another model"
    remedy += ", for instance --model Classifier --model.backbone timm/NAME --model.num_classes K; in commands that "
    remedy += "have no such options --architecture timm/NAME."
    raise InputError(
        f"Expected the weights of {architecture or 'a model that is known by its tensors'}, got {path} with "
        f"{len(shapes)} others ({first}, ...). {remedy}"
    )


def _without_prefixes(shapes: Shapes, depth: int = 2) -> Iterator[Shapes]:
    yield shapes
    for prefix in PREFIXES if depth else ():
        if shapes and all(name.startswith(prefix) for name in shapes):
            yield from _without_prefixes({name.removeprefix(prefix): s for name, s in shapes.items()}, depth - 1)


def _guess_classifier(shapes: Shapes, backbones: _Backbones) -> GuessedModel | None:
    for name in backbones():
        library = library_model(name)
        place = "head" if library is None else library.classifier
        classes = shapes.get("head.weight", shapes.get(f"{place}.weight", ()))
        if len(classes) != 2:
            continue
        arguments = {"backbone": name, "num_classes": classes[0]}
        for key_map in [OWN] if library is None else [OWN, classifier_map(library.classifier, library.saved_names)]:
            if _equal(_renamed(key_map, shapes), _shapes_of(Classifier, name, classes[0])):
                return GuessedModel(Classifier, arguments)
    return None


def _guess_contrastive(shapes: Shapes, backbones: _Backbones) -> GuessedModel | None:
    for learner, parts in _PARTS.items():
        for key_map in (OWN, *KEY_MAPS[learner.__name__]):
            renamed = _renamed(key_map, shapes)
            if {name.partition(".")[0] for name in renamed} - {"queue"} != parts:
                continue
            own = {n.removeprefix("backbone."): s for n, s in renamed.items() if n.startswith("backbone.")}
            backbone = next((name for name in backbones() if _equal(own, _encoder_shapes(name))), None)
            head = _guess_head(learner, renamed) if backbone is not None else None
            if head is not None:
                queue = {"queue_size": renamed["queue.keys"][0]} if "queue.keys" in renamed else {}
                return GuessedModel(learner, {"backbone": backbone, **head, **queue})
    return None


def _guess_head(learner: type[Learner], renamed: Shapes) -> dict[str, Any] | None:
    """Arguments of the learner that decide its heads."""
    heads = {
        name: shape for name, shape in renamed.items() if name.split(".")[0] in ("projection_head", "prediction_head")
    }
    linear = [shape for name, shape in heads.items() if name.startswith("projection_head.") and len(shape) == 2]
    if not linear:
        return None
    kinds: tuple[HeadKind, ...] = get_args(HeadKind)
    for kind in kinds:
        hidden = {} if kind == "linear" else {"hidden_dim": linear[0][0]}
        arguments = {"projection_dim": linear[-1][0], "projection_head": kind, **hidden}
        if learner is BYOL:
            arguments |= {"prediction_dim": renamed["prediction_head.layers.0.weight"][0]}
        with torch.device("meta"):
            try:
                built: nn.Module = learner("resnet9_slim", **arguments)  # type: ignore[arg-type]
            except InputError:
                continue
        expected = {
            name: (*shape[:1], linear[0][1]) if name == "projection_head.layers.0.weight" else shape
            for name, shape in _state_shapes(built).items()
            if name.split(".")[0] in ("projection_head", "prediction_head")
        }
        if _equal(heads, expected):
            return arguments
    return None


def _guess_clip(shapes: Shapes) -> GuessedModel | None:
    (key_map,) = KEY_MAPS["CLIP"]
    renamed = _renamed(key_map, shapes)
    width, text = (
        renamed.get("text_encoder.text_projection", (0, 0)),
        renamed.get("text_encoder.token_embedding.weight"),
    )
    if text is None or len(width) != 2:
        return None
    import open_clip

    for name in open_clip.list_models():
        settings = open_clip.get_model_config(name)
        if settings["embed_dim"] != width[1] or settings["text_cfg"].get("width") != width[0]:
            continue
        try:
            with torch.device("meta"):
                expected = _state_shapes(CLIP(name))
        except (InputError, RuntimeError, NotImplementedError, AssertionError):
            continue  # a model of other tokens, or with code that needs memory
        if _equal({n: s or (1,) for n, s in renamed.items()}, expected):
            return GuessedModel(CLIP, {"model": name})
    return None


def _renamed(key_map: KeyMap, shapes: Shapes) -> Shapes:
    renamed = {}
    for name, shape in shapes.items():
        new = key_map.rename(name)
        if new is not None:
            renamed[new] = shape[::-1] if new in key_map.transposed else shape
    return renamed


def _equal(given: Shapes, expected: Shapes) -> bool:
    return {n: s for n, s in given.items() if not n.endswith(COUNTER)} == expected


def _backbones(shapes: Shapes) -> Iterator[str]:
    """Names of the backbones that are considered: those that are fast to build, and often used, first."""
    is_regnet = any("trunk_output." in name for name in shapes)  # others need not wait for its largest to be built
    known = models.list_models(module=models)
    often = [name for name in known if name.startswith(("resnet", "vgg", "mobilenet", "efficientnet_b0", "vit_b"))]
    rarely = (name for name in known if name not in often and "squeezenet" not in name and "regnet" not in name)
    if is_regnet:
        often = [name for name in known if "regnet" in name]
    yield from (f"torchvision/{name}" for name in often)
    yield from (*_VARIANTS, *BUILDERS)
    yield from (f"torchvision/{name}" for name in rarely)


@cache
def _encoder_shapes(name: str) -> Shapes:
    return _on_meta(lambda: build_backbone(name).net)


@cache
def _shapes_of(learner: type[Learner], name: str, classes: int) -> Shapes:
    backbone = {f"backbone.{part}": shape for part, shape in _encoder_shapes(name).items()}
    width = _width(name)
    return {**backbone, "head.weight": (classes, width), "head.bias": (classes,)}


@cache
def _width(name: str) -> int:
    try:
        with torch.device("meta"):
            return build_backbone(name).feature_dim
    except NotImplementedError:
        return build_backbone(name).feature_dim


def _on_meta(build: Callable[[], nn.Module]) -> Shapes:
    """Names and shapes of a model, built without memory where its constructor allows that."""
    try:
        with torch.device("meta"):
            return _state_shapes(build())
    except NotImplementedError:  # RegNet computes with the values of its initialisation
        return _state_shapes(build())


def _state_shapes(module: nn.Module) -> Shapes:
    return {n: tuple(value.shape) for n, value in module.state_dict().items() if not n.endswith(COUNTER)}
