"""Models of other libraries as folders that these libraries load: names of weights and a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Any

from torch import Tensor, nn

from unlearning_pl.learners import CLIP, Classifier, Learner
from unlearning_pl.learners.backbones import BUILDERS
from unlearning_pl.learners.image_processors import PROCESSORS
from unlearning_pl.learners.key_maps import library_map
from unlearning_pl.learners.library_models import LibraryModel, Preprocessing, library_model
from unlearning_pl.learners.open_clip_towers import tower_settings
from unlearning_pl.learners.transformers_models import saved_settings


@dataclass(frozen=True)
class HubModel:
    """A model as the files of a folder.

    Attributes:
        library: Name of the library that loads it.
        task: What it is for, in the words of the Hugging Face hub.
        weights: Weights under the names of the library.
        config: Content of the configuration.
        code: Lines of Python that load the model.
        weights_name: Name of the file of weights.
        config_name: Name of the file of the configuration.
        other_files: Content of other files of JSON by name.
    """

    library: str
    task: str
    weights: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    weights_name: str = "model.safetensors"
    config_name: str = "config.json"
    other_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def hub_model(learner: Learner, preprocessing: Preprocessing, settings: Mapping[str, Any]) -> HubModel:
    """The files of a learner's model: a classifier of a library, open_clip's CLIP, or a learner of its own.

    Args:
        learner: The learner with its weights.
        preprocessing: Size and normalisation of its images.
        settings: The key ``model`` of the run's configuration.
    """
    if isinstance(learner, CLIP):
        return _open_clip(learner, preprocessing)
    name = str(learner.hparams.get("backbone", ""))
    library = library_model(name)
    if library is None and name and name not in BUILDERS:
        library = library_model(f"timm/{name}")
    if type(learner) is Classifier and library is not None and library.classifier is not None:
        if library.name.startswith("timm/"):
            return _timm(learner, library, preprocessing)
        if library.name.startswith("torchvision/"):
            return _torchvision(learner, library, preprocessing)
        if library.name.startswith("transformers/"):
            return _transformers(learner, library, preprocessing)
    return _own(learner, settings, preprocessing)


def _timm(learner: Classifier, library: LibraryModel, preprocessing: Preprocessing) -> HubModel:
    net: Any = library.build(learner.num_classes)
    resize, pixels = preprocessing
    cfg = {
        "input_size": [3, resize.size, resize.size],
        "crop_pct": floor(1e6 * resize.size / (resize.shorter_side or resize.size)) / 1e6,
        "crop_mode": "squash" if resize.squash else "center",
        "interpolation": resize.interpolation,
        "mean": [*pixels.mean],
        "std": [*pixels.std],
        "num_classes": learner.num_classes,
        **{key: net.pretrained_cfg[key] for key in ("first_conv", "classifier") if key in net.pretrained_cfg},
    }
    name = library.name.partition("/")[2].partition(".")[0]
    config = {
        "architecture": name,
        "num_classes": learner.num_classes,
        "num_features": net.num_features,
        "pretrained_cfg": cfg,
    }
    code = 'import timm\n\nmodel = timm.create_model("local-dir:PATH", pretrained=True).eval()\n'
    return HubModel("timm", "image-classification", _library_weights(learner, library, net), config, code)


def _torchvision(learner: Classifier, library: LibraryModel, preprocessing: Preprocessing) -> HubModel:
    name = library.name.partition("/")[2]
    options = ", aux_logits=False, init_weights=True" if name in ("googlenet", "inception_v3") else ""
    config = {"architecture": library.name, "num_classes": learner.num_classes, **_images(preprocessing)}
    code = (
        "from safetensors.torch import load_file\nfrom torchvision.models import get_model\n\n"
        f'model = get_model("{name}", weights=None, num_classes={learner.num_classes}{options}).eval()\n'
        'model.load_state_dict(load_file("PATH/model.safetensors"))\n'
    )
    weights = _library_weights(learner, library, library.build(learner.num_classes))
    return HubModel("torchvision", "image-classification", weights, config, code)


def _transformers(learner: Classifier, library: LibraryModel, preprocessing: Preprocessing) -> HubModel:
    config, processor = saved_settings(library, learner.num_classes, preprocessing)
    names = library_map(library)
    own, in_file = learner.state_dict(), {new: old for old, new in library.saved_names.items()}
    net = library.build(learner.num_classes)
    weights = {in_file.get(name, name): own[str(names.rename(name))] for name in net.state_dict()}
    code = (
        "from transformers import AutoImageProcessor, AutoModelForImageClassification\n\n"
        'model = AutoModelForImageClassification.from_pretrained("PATH").eval()\n'
        'processor = AutoImageProcessor.from_pretrained("PATH", backend="pil")\n'
    )
    files = {PROCESSORS[0]: processor}
    return HubModel("transformers", "image-classification", weights, config, code, other_files=files)


def _open_clip(learner: CLIP, preprocessing: Preprocessing) -> HubModel:
    settings = tower_settings(learner.hparams["model"])
    size = preprocessing.resize.size
    model = {**settings, "vision_cfg": {**settings["vision_cfg"], "image_size": size}, "custom_text": True}
    mean, std = preprocessing.pixels
    images = {"size": size, "mean": [*mean], "std": [*std], "interpolation": preprocessing.resize.interpolation}
    images["resize_mode"] = "squash" if preprocessing.resize.squash else "shortest"
    config = {"model_cfg": model, "preprocess_cfg": images}
    names = {"backbone": "visual", "text_encoder": "text"}
    weights = {
        ".".join((names.get(name.split(".")[0], name.split(".")[0]), *name.split(".")[1:])): value
        for name, value in learner.state_dict().items()
    }
    weights["logit_scale"] = weights["logit_scale"].reshape(())
    code = (
        "import open_clip\n\n"
        'model, _, preprocess = open_clip.create_model_and_transforms("local-dir:PATH")\n'
        'tokenizer = open_clip.get_tokenizer("local-dir:PATH")\n'
    )
    files = ("open_clip_model.safetensors", "open_clip_config.json")
    return HubModel("open_clip", "zero-shot-image-classification", weights, config, code, *files)


def _own(learner: Learner, settings: Mapping[str, Any], preprocessing: Preprocessing) -> HubModel:
    module, _, name = f"{type(learner).__module__}.{type(learner).__qualname__}".rpartition(".")
    module = "unlearning_pl.learners" if module.startswith("unlearning_pl.learners.") else module
    arguments = dict(settings.get("init_args") or {})
    config = {"class_path": f"{module}.{name}", "init_args": arguments, **_images(preprocessing)}
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    code = (
        f"from {module} import {name}\nfrom unlearning_pl.training.weights import load_weights\n\n"
        f'learner = {name}({given}).eval()\nload_weights(learner, "PATH/model.safetensors")\n'
    )
    task = "image-classification" if learner.knows_classes else "image-feature-extraction"
    return HubModel("unlearning-pl", task, learner.state_dict(), config, code)


def _library_weights(learner: Learner, library: LibraryModel, net: nn.Module) -> dict[str, Tensor]:
    """Weights of a learner under the names of a model of its library."""
    own, names = learner.state_dict(), library_map(library)
    return {name: own[str(names.rename(name))] for name in net.state_dict()}


def _images(preprocessing: Preprocessing) -> dict[str, Any]:
    resize, (mean, std) = preprocessing
    size = {"image_size": resize.size, "shorter_side": resize.shorter_side or resize.size}
    return {**size, "interpolation": resize.interpolation, "squash": resize.squash, "mean": [*mean], "std": [*std]}
