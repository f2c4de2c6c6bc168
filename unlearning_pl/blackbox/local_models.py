"""Local models as encoders: runs and checkpoints of this package, TorchScript and ONNX.

Letters: B rows of a batch, H height, W width, D dimensions of a vector.
"""

import warnings
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from unlearning_pl.blackbox.encoder import BATCH, Encoder, Pixels
from unlearning_pl.data import Source
from unlearning_pl.errors import InputError, require, suggest_names
from unlearning_pl.images.resizing import Resize, side_of
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.model_files import open_file
from unlearning_pl.training.weights import load_weights

Layer = Literal["features", "embedding"]


def open_run(
    run: Path, pixels: Pixels, layer: Layer = "features", weights: Path | None = None, allow: Sequence[str] = ()
) -> Encoder:
    """Open the learner of a run; its configuration defines the normalisation, and no training image is read.

    Args:
        run: The run folder.
        pixels: Image size, if the source of its data does not define it.
        layer: ``features``, the encoder output, or ``embedding``, what the training loss compares.
        weights: Checkpoint to load instead of the run's last one.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.

    Raises:
        InputError: If the folder is not a run folder, its configuration names another class, the weights do not fit, or
            the image size is unknown.
    """
    require(layer in get_args(Layer), f"Expected a layer, got {layer!r}. {suggest_names(layer, get_args(Layer))}")
    learner: Learner = runs.instantiate_from_run(run, "model", allow)
    source: Source = runs.instantiate_from_run(run, "source", allow)
    load_weights(learner, weights or run)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = learner.eval().to(device)
    forward = learner.features if layer == "features" else learner.embed
    name = str(weights or run)
    normalisation = Pixels(*(learner.pixels or (source.mean, source.std)))
    embed = _inference(normalisation, forward, device)
    resize = source.image_size if isinstance(source.image_size, Resize) else None
    return Encoder(name, embed, pixels.size(side_of(source.image_size), name), BATCH, resize=resize).probe()


def open_checkpoint(
    path: Path,
    pixels: Pixels,
    layer: Layer = "features",
    allow: Sequence[str] = (),
    architecture: str | None = None,
) -> Encoder:
    """Open a checkpoint: with the configuration of its run, if it is in a run folder, and else as weights of any tool.

    Raises:
        InputError: As for :func:`open_run` and :func:`open_weights`.
    """
    run_folders = (folder for folder in path.resolve().parents[:2] if (folder / runs.CONFIG).is_file())
    run = next(run_folders, None)
    if run is None:
        return open_weights(path, pixels, layer, architecture)
    return open_run(run, pixels, layer, path, allow)


def open_weights(path: Path, pixels: Pixels, layer: Layer = "features", architecture: str | None = None) -> Encoder:
    """Open the weights of any tool: architecture, size and normalisation are guessed, and a note says which.

    Args:
        path: File of weights.
        pixels: Image size and normalisation where they are not those of the model's library.
        layer: As for :func:`open_run`.
        architecture: Name of the backbone, if the tensors do not tell.

    Raises:
        InputError: If the model is not known, the weights are not finite, or size or normalisation of its images are
            unknown.
    """
    require(layer in get_args(Layer), f"Expected a layer, got {layer!r}. {suggest_names(layer, get_args(Layer))}")
    learner, model = open_file(path, architecture)
    resize = model.resize if pixels.image_size is None else None
    if pixels == Pixels(image_size=pixels.image_size):
        if learner.pixels is None:
            raise InputError(
                f"Expected the normalisation of the images of {path}, {model.guessed}, which does not state it, got "
                "none. Give --mean and --std: those of its training, or 0 and 1."
            )
        pixels = Pixels(*learner.pixels, pixels.image_size)
    size = pixels.size(None if resize is None else resize.size, str(path))
    rank_zero_info(f"{path}: {model.sentence} Mean {[*pixels.mean]}, standard deviation {[*pixels.std]}.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = learner.eval().to(device)
    forward = learner.features if layer == "features" else learner.embed
    return Encoder(str(path), _inference(pixels, forward, device), size, BATCH, resize=resize).probe()


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of torch.jit, which holds code, and not of weights alone.

    Example:
        >>> is_torchscript(Path("nowhere.pt"))
        False
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def open_torchscript(path: Path, pixels: Pixels) -> Encoder:
    """Open a TorchScript file of a module that maps ``(B, 3, H, W)`` to ``(B, D)``.

    TorchScript is code: open only files that you trust.

    Raises:
        InputError: If torch cannot load the file, or the module does not return vectors.
    """
    try:
        with warnings.catch_warnings():
            # torch.jit is deprecated for exporting, but existing files still load
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # torch raises various exceptions for invalid files
        raise InputError(
            f"Expected a TorchScript module, got {path}, which torch.jit.load refuses. Export it with torch.jit.trace "
            "or torch.jit.script and save; a .pt file of weights alone does not contain the model."
        ) from error
    module = module.eval()
    return Encoder(str(path), _inference(pixels, module, torch.device("cpu")), pixels.size(None, str(path))).probe()


def open_onnx(path: Path, pixels: Pixels) -> Encoder:
    """Open an ONNX file with one input, float32 ``(B, 3, H, W)``; uses its first output, ``(B, D)``.

    If the file fixes the image size, it takes precedence. If the file fixes the batch size, the encoder pads batches to
    it.

    Raises:
        InputError: If onnxruntime is not installed, the file is not a model of images, or the model does not return
            vectors.
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
        padded = images if rows is None else F.pad(images, (0, 0) * 3 + (0, rows - len(images)))
        outputs = session.run(None, {inputs[0].name: np.ascontiguousarray(pixels.normalise(padded).numpy())})
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
    except Exception as error:  # onnxruntime has a separate exception class for each status
        raise InputError(
            f"Expected an ONNX model, got {path}, which onnxruntime cannot load. Export it again."
        ) from error


def _inference(pixels: Pixels, forward: Callable[[Tensor], Any], device: torch.device) -> Callable[[Tensor], Any]:
    """Wrap ``forward`` with normalisation and inference mode, which is thread-local and thus entered on every call."""

    def embed(images: Tensor) -> Any:
        with torch.inference_mode():
            return forward(pixels.normalise(images.to(device)))

    return embed
