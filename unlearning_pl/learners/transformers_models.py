"""Image classifiers and encoders of Hugging Face's transformers, from the folder that ``save_pretrained`` writes.

Only files of the folder are read: nothing is downloaded, and no code beside the weights is run.

Letters: B rows of a batch, D width of the features, K classes.
"""

import copy
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.learners.image_processors import (
    CONFIG,
    LOCAL,
    load_locally,
    processor_files,
    processor_settings,
    read_preprocessing,
)
from unlearning_pl.learners.library_models import LibraryModel, Preprocessing


def transformers_model(path: str) -> LibraryModel:
    """The model of a folder, without its weights.

    Features are what the model's linear classifier gets, or the pooled output of an encoder. Size, interpolation and
    normalisation of images are those of its image processor with Pillow (``backend="pil"``).

    Args:
        path: Folder with config.json and preprocessor_config.json; or a config.json alone, whose images are normalised
            as the data source says.

    Raises:
        InputError: If transformers is not installed, there is no such file, or it is that of another kind of model.

    Example:
        >>> transformers_model("nowhere")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a folder of transformers, with config.json, as backbone, got ...
    """
    place = Path(path).expanduser()
    file = place / CONFIG if place.is_dir() else place
    require(
        file.is_file(),
        f"Expected a folder of transformers, with {CONFIG}, as backbone, got {path} without one. Give the folder that "
        "save_pretrained wrote; nothing is downloaded.",
    )
    if find_spec("transformers") is None:
        raise InputError(
            f"Expected transformers for the backbone {path}, got none installed. "
            "Run pip install 'unlearning-pl[transformers]'."
        )
    times = tuple(one.stat().st_mtime_ns for one in (file, *processor_files(place)))
    return _read_model(path, place, file, times)


@lru_cache(maxsize=32)
def _read_model(path: str, place: Path, file: Path, times: tuple[int, ...]) -> LibraryModel:
    """The model of a configuration; read again when ``times`` of its files change."""
    config, kind = read_config(file)
    preprocessing = read_preprocessing(place) if place.is_dir() else None

    def build(classes: int) -> nn.Module:
        settings = copy.deepcopy(config)
        settings.num_labels, settings.return_dict = classes, True
        net: nn.Module = kind(settings)
        net.register_forward_hook(_vectors)
        return net

    with torch.device("meta"):
        net = build(2)
    saved = _saved_names(net)
    if not kind.__name__.endswith("ForImageClassification"):
        return LibraryModel(
            f"transformers/{path}", build, None, preprocessing, _pooled_width(config), saved_names=saved
        )
    linear = [
        name
        for name, module in net.named_modules()
        if name.split(".")[0] == "classifier" and isinstance(module, nn.Linear)
    ]
    require(
        len(linear) == 1,
        f"Expected a model with one linear classifier, got {kind.__name__} in {path} with {len(linear)}. "
        "Choose another model.",
    )
    return LibraryModel(f"transformers/{path}", build, linear[0], preprocessing, saved_names=saved)


def read_config(file: Path) -> tuple[Any, type[Any]]:
    """Configuration of a model of images, and the model's class.

    Raises:
        InputError: If the file is damaged, or that of another kind of model.
    """
    import transformers

    config = load_locally(lambda: transformers.AutoConfig.from_pretrained(file, **LOCAL), "a configuration", file)
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    default = known.get(config.model_type)
    name = (config.architectures or [default if isinstance(default, str) else "a model without a name"])[0]
    kind: Any = getattr(transformers, name, None)
    is_model = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    require(
        is_model and kind.main_input_name == "pixel_values" and name.endswith(("ForImageClassification", "Model")),
        f"Expected a classifier (...ForImageClassification) or an encoder (...Model) of images, got {shown(name)} in "
        f"{file}. Give another model; of CLIP the weights of open_clip, or its CLIPVisionModel.",
    )
    return config, cast(type[Any], kind)


def saved_settings(
    model: LibraryModel, classes: int, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content of config.json and preprocessor_config.json of a model with weights in float32.

    The names of classes stay if there are as many; the image processor stays if it does what the preprocessing says.

    Args:
        model: A model of :func:`transformers_model`.
        classes: K.
        preprocessing: Size and normalisation of the images.
    """
    place = Path(model.name.partition("/")[2]).expanduser()
    config, kind = read_config(place / CONFIG if place.is_dir() else place)
    if config.num_labels != classes:
        config.num_labels = classes
    config.architectures, config.dtype = [kind.__name__], "float32"
    files = processor_files(place)
    if preprocessing == model.preprocessing and files:
        processor = json.loads(files[0].read_text(encoding="utf-8"))
        return json.loads(config.to_json_string()), processor.get("image_processor", processor)
    return json.loads(config.to_json_string()), processor_settings(preprocessing)


def _vectors(module: nn.Module, inputs: Any, output: Any) -> Tensor:
    """Forward hook: class scores of a classifier, features ``(B, D)`` of an encoder, or of one that lost its layer."""
    scores: Tensor | None = output.get("logits")
    return output.pooler_output.flatten(1) if scores is None else scores


def _pooled_width(config: Any) -> int:
    names = ("pooler_output_size", "hidden_size")
    return next((int(getattr(config, name)) for name in names if hasattr(config, name)), 0) or config.hidden_sizes[-1]


def _saved_names(net: nn.Module) -> Mapping[str, str]:
    """Names in files of ``save_pretrained``, which are those of older versions, with those in the model."""
    from transformers.core_model_loading import revert_weight_conversion

    names = [*net.state_dict()]
    numbered = {name: torch.tensor([number], device="cpu") for number, name in enumerate(names)}
    saved = load_locally(
        lambda: revert_weight_conversion(cast(Any, net), numbered), "a model", Path(type(net).__name__)
    )
    require(
        sorted(int(value) for value in saved.values()) == [*range(len(names))],
        f"Expected a model that has a tensor for each one in its file, got {type(net).__name__}. Choose another.",
    )
    return {name: names[int(value)] for name, value in saved.items() if name != names[int(value)]}
