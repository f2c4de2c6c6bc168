"""Open encoders by address: run folder, checkpoint, TorchScript, ONNX or server."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.blackbox.client import connect
from unlearning_pl.blackbox.encoder import Encoder, Pixels
from unlearning_pl.blackbox.local_models import Layer, open_checkpoint, open_onnx, open_run, open_torchscript
from unlearning_pl.errors import InputError


def open_encoder(
    address: str,
    pixels: Pixels | None = None,
    timeout: float = 30.0,
    layer: Layer = "features",
    allow: Sequence[str] = (),
) -> Encoder:
    """Open the encoder at an address; every kind of encoder maps images to vectors.

    Args:
        address: A run folder; a checkpoint ``.ckpt`` in one; a TorchScript file ``.pt`` or ``.ts``, which is code, so
            open only files that you trust; an ONNX file ``.onnx``; or a server ``http://...`` or ``https://...``.
        pixels: Normalisation for TorchScript and ONNX, and the image size of any model that does not state it; pixels
            in [0, 1] when not given.
        timeout: Seconds to wait for each response of a server.
        layer: Output of a run or a checkpoint: ``features``, which are used downstream, or ``embedding``, which the
            training loss compares. Other models have one kind of vector.
        allow: Packages or classes, besides those of this package, that the configuration of a run may name.

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
    if kind == ".ckpt":
        return open_checkpoint(path, pixels, layer, allow)
    if kind in (".pt", ".ts"):
        return open_torchscript(path, pixels)
    if kind == ".onnx":
        return open_onnx(path, pixels)
    raise InputError(
        f"Expected a run folder, a .ckpt, .pt, .ts or .onnx file or an http address, got {address}. Give one of them."
    )
