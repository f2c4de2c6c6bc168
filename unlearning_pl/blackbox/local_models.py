"""Models that lie on this machine as encoders: our runs and checkpoints, TorchScript and ONNX.

Letters: B rows of a batch, H height, W width, D dimensions of a vector.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.blackbox.encoder import BATCH, Encoder, Pixels
from unlearning_pl.data import Source
from unlearning_pl.errors import InputError, nearest, require
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.weights import load_weights

Layer = Literal["features", "embedding"]


def open_run(run: Path, pixels: Pixels, layer: Layer = "features", weights: Path | None = None) -> Encoder:
    """A learner of ours; how its images are normalised follows from its configuration, and no image is read.

    Args:
        run: Its run folder.
        pixels: Gives the size of its images where the source of its data does not know it.
        layer: ``features``, the encoder output, or ``embedding``, what the training loss compares.
        weights: A checkpoint in place of the run's last one.

    Raises:
        InputError: If the folder holds no run, its weights do not fit, or the size of its images is not known.
    """
    require(layer in get_args(Layer), f"Expected a layer, got {layer!r}. {nearest(layer, get_args(Layer))}")
    learner: Learner = runs.build(run, "model")
    load_weights(learner, weights or run)
    source: Source = runs.build(run, "source")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = learner.eval().to(device)
    look = learner.features if layer == "features" else learner.embed
    name = str(weights or run)
    own = Pixels(*(learner.pixels or (source.mean, source.std)))
    return Encoder(name, _quiet(own, look, device), pixels.size(source.image_size, name), BATCH).probe()


def open_checkpoint(path: Path, pixels: Pixels, layer: Layer = "features") -> Encoder:
    """A checkpoint that lies in a run folder, with the configuration of that run.

    Raises:
        InputError: If there is no run around it, or as :func:`open_run` does.
    """
    around = (folder for folder in path.resolve().parents[:2] if (folder / runs.CONFIG).is_file())
    run = next(around, None)
    if run is None:
        raise InputError(
            f"Expected a checkpoint in the folder of its run, got {path} without a {runs.CONFIG} beside it. Give the "
            f"run folder, or put the run's {runs.CONFIG} beside the file."
        )
    return open_run(run, pixels, layer, path)


def open_torchscript(path: Path, pixels: Pixels) -> Encoder:
    """A TorchScript file of a module that maps ``(B, 3, H, W)`` to ``(B, D)``.

    It is code: open none that you do not trust.

    Raises:
        InputError: If torch cannot load it, or it gives no vectors.
    """
    try:
        with warnings.catch_warnings():
            # torch asks authors of models to export in another way; their files are still read
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # torch raises a different one for each way of being no module
        raise InputError(
            f"Expected a TorchScript module, got {path}, which torch.jit.load refuses. Write it by torch.jit.trace or "
            "torch.jit.script and save; a .pt of weights alone has no model in it."
        ) from error
    module = module.eval()
    return Encoder(str(path), _quiet(pixels, module, torch.device("cpu")), pixels.size(None, str(path))).probe()


def open_onnx(path: Path, pixels: Pixels) -> Encoder:
    """An ONNX file with one input, float32 ``(B, 3, H, W)``; its first output is taken, ``(B, D)``.

    The size of images is the file's where it is fixed there. Where the number of rows is fixed, images are given in
    groups of that many.

    Raises:
        InputError: If onnxruntime is not installed, the file is no model or takes something else than images, or gives
            no vectors.
    """
    session = _onnx_session(path)
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 and inputs[0].type == "tensor(float)" else []
    require(
        len(shape) == 4 and not (isinstance(shape[1], int) and shape[1] != 3),
        f"Expected one input of float32 (B, 3, H, W), got {[(i.name, i.type, i.shape) for i in inputs]} in {path}. "
        "Export the model with its channels first.",
    )
    rows, _, height, width = (size if isinstance(size, int) else None for size in shape)
    size = pixels.size(None, str(path)) if height is None or width is None else (height, width)

    def embed(images: Tensor) -> Any:
        filled = images if rows is None else F.pad(images, (0, 0) * 3 + (0, rows - len(images)))
        outputs = session.run(None, {inputs[0].name: np.ascontiguousarray(pixels.normalise(filled).numpy())})
        return outputs[0] if rows is None else outputs[0][: len(images)]

    return Encoder(str(path), embed, size, rows or BATCH).probe()


def _onnx_session(path: Path) -> Any:
    require(
        find_spec("onnxruntime") is not None,
        f"Expected onnxruntime to open {path}, got an environment without it. pip install 'unlearning-pl[onnx]'.",
    )
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an error class of its own for each status
        raise InputError(
            f"Expected an ONNX model, got {path}, which onnxruntime cannot load. Export it again."
        ) from error


def _quiet(pixels: Pixels, look: Callable[[Tensor], Any], device: torch.device) -> Callable[[Tensor], Any]:
    """``look`` at images as the model wants them, without a graph; whichever thread asks."""

    def embed(images: Tensor) -> Any:
        with torch.inference_mode():
            return look(pixels.normalise(images.to(device)))

    return embed
