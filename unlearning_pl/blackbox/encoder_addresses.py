"""Open encoders by address: run folder, checkpoint, TorchScript, ONNX or server."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.blackbox.client import connect
from unlearning_pl.blackbox.encoder import Encoder, Pixels
from unlearning_pl.blackbox.local_models import (
    Layer,
    is_torchscript,
    open_checkpoint,
    open_onnx,
    open_run,
    open_torchscript,
)
from unlearning_pl.errors import InputError
from unlearning_pl.training.import_run import WEIGHTS


def open_encoder(
    address: str,
    pixels: Pixels | None = None,
    timeout: float = 30.0,
    layer: Layer = "features",
    allow: Sequence[str] = (),
    architecture: str | None = None,
) -> Encoder:
    """Open the encoder at an address; every kind of encoder maps images to vectors.

    Args:
        address: A run folder; a checkpoint in one, or a file with the weights of any tool (``.ckpt``, ``.pt``,
            ``.pth``, ``.bin``, ``.safetensors``); a TorchScript file ``.pt`` or ``.ts``, which is code, so open only
            files that you trust; an ONNX file ``.onnx``; or a server ``http://...`` or ``https://...``.
        pixels: Normalisation for TorchScript and ONNX, and the image size of any model that does not state it; pixels
            in [0, 1] when not given. For a file of weights both default to those of the model's library.
        timeout: Seconds to wait for each response of a server.
        layer: Output of a run or a checkpoint: ``features``, which are used downstream, or ``embedding``, which the
            training loss compares. Other models have one kind of vector.
        allow: Packages or classes, besides those of this package, that the configuration of a run may name.
        architecture: Architecture of a file of weights whose tensors do not tell.

    Raises:
        InputError: If the model does not exist, or does not return vectors.

    Example:
        >>> open_encoder("nowhere.txt")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a model, got nowhere.txt, which does not exist. Correct the address.
    """
    pixels = pixels or Pixels()
    if address.startswith(("http://", "https://")):
        return connect(address, pixels.image_size, timeout)
    path = Path(address).expanduser()
    if not path.exists():
        raise InputError(f"Expected a model, got {address}, which does not exist. Correct the address.")
    if path.is_dir():
        return open_run(path, pixels, layer, allow=allow)
    kind = path.suffix.lower()
    if kind == ".ts" or (kind == ".pt" and is_torchscript(path)):
        return open_torchscript(path, pixels)
    if kind in WEIGHTS:
        return open_checkpoint(path, pixels, layer, allow, architecture)
    if kind == ".onnx":
        return open_onnx(path, pixels)
    raise InputError(
        f"Expected a run folder, a .ckpt, .pt, .pth, .bin, .safetensors, .ts or .onnx file or an http address, got "
        f"{address}. Give one of them."
    )
