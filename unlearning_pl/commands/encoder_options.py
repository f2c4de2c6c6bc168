"""Options of the commands that open an encoder by its address."""

from jsonargparse import ArgumentParser, Namespace

from unlearning_pl.blackbox.encoder import Pixels
from unlearning_pl.blackbox.local_models import Layer

ADDRESS = "A run folder, a .ckpt in one, a TorchScript file (.pt, .ts), an ONNX file"


def add_pixels(parser: ArgumentParser) -> None:
    """Give a command the options that say what a model wants its images to be like."""
    parser.add_argument("--layer", type=Layer, default="features", help="What to take of a run or a checkpoint.")
    parser.add_argument("--image_size", type=int | None, default=None, help="For models that do not say it themselves.")
    parser.add_argument(
        "--mean", type=float, nargs="+", default=[0.0], help="TorchScript, ONNX: subtracted from pixels."
    )
    parser.add_argument("--std", type=float, nargs="+", default=[1.0], help="TorchScript, ONNX: divides pixels then.")


def pixels_of(options: Namespace) -> Pixels:
    """What the options of :func:`add_pixels` mean."""
    return Pixels(tuple(options.mean), tuple(options.std), options.image_size)
