"""Options of the commands that open an encoder: ``owner`` and ``serve``."""

from jsonargparse import ArgumentParser, Namespace

from unlearning_pl.blackbox.encoder import Pixels
from unlearning_pl.blackbox.local_models import Layer
from unlearning_pl.cli.file_options import add_architecture

ADDRESS = "run folder, checkpoint in one, weights of torchvision, timm and others, TorchScript (.pt, .ts) or ONNX file"


def add_pixels(parser: ArgumentParser) -> None:
    """Add the options of an encoder's output layer, image size and normalisation to a parser."""
    parser.add_argument("--layer", type=Layer, default="features", help="Output to use of a run or a checkpoint.")
    parser.add_argument(
        "--image_size", type=int | None, default=None, help="Image size, for models that do not define it."
    )
    parser.add_argument(
        "--mean",
        type=float,
        nargs="+",
        default=None,
        help="Weights, TorchScript, ONNX: mean to subtract from the pixels.",
    )
    parser.add_argument(
        "--std", type=float, nargs="+", default=None, help="The same: standard deviation to divide by then."
    )
    add_architecture(parser)


def pixels_from_options(options: Namespace) -> Pixels:
    """Build the :class:`Pixels` of the options of :func:`add_pixels`."""
    if options.mean is None and options.std is None:
        return Pixels(image_size=options.image_size)
    # Three numbers, since one is what stands for no option.
    mean, std = (values * 3 if len(values) == 1 else values for values in (options.mean or [0.0], options.std or [1.0]))
    return Pixels(tuple(mean), tuple(std), options.image_size)
