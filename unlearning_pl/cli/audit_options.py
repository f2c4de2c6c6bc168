"""Options of the command ``audit``, which plans of benchmarks take too."""

from typing import Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from unlearning_pl.audits.muc_probe import Probe
from unlearning_pl.audits.verdict import LEVEL, MARGIN
from unlearning_pl.cli.command_parser import add_allow, make_parser
from unlearning_pl.cli.data_options import HELP

Accelerator = Literal["auto", "cpu", "gpu", "mps"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def audit_parser() -> ArgumentParser:
    """Create the parser of the command ``audit``.

    Example:
        >>> audit_parser().parse_args(["--model", "runs/ac", "--level", "0.01"]).level
        0.01
    """
    parser = make_parser(
        "audit", f"Compare unlearned models with the original and the retrained one, and write a report.{HELP}"
    )
    parser.add_argument("--model", type=str, nargs="+", required=True, help="Run folders of unlearned models.")
    parser.add_argument(
        "--original",
        type=str | None,
        default=None,
        help="Run folder that the models started from, or its file of weights, which becomes a run beside the first.",
    )
    parser.add_argument(
        "--retrained",
        type=str,
        nargs="+",
        default=[],
        help="Run folders trained on the retain set only, of several seeds to show how far they differ.",
    )
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image for the membership attack.")
    parser.add_argument(
        "--probe",
        type=Probe,
        default="logistic",
        help="Linear probe of encoders: logistic regression, or MUC's own by SGD on augmented images.",
    )
    parser.add_argument(
        "--level", type=float, default=LEVEL, help="Probability of a false verdict, over all attacks together."
    )
    parser.add_argument(
        "--margin", type=float, default=MARGIN, help="Distance of the AUC to retraining that counts as equivalent."
    )
    parser.add_argument("--output", type=str | None, default=None, help="Report folder; MODEL/audit by default.")
    parser.add_argument(
        "--relearning",
        type=int,
        default=10,
        help="Maximum epochs of training on the forget images until the original's loss is reached; 0 skips it.",
    )
    parser.add_argument(
        "--retain_relearning",
        type=int,
        default=0,
        help="Epochs of training on the retain images alone, which brings back what was only hidden; 0 skips it.",
    )
    parser.add_argument(
        "--gradient_attack",
        type=bool,
        default=False,
        help="Attack by the norms of loss gradients: a pass of one image at a time, for each model.",
    )
    parser.add_argument(
        "--page",
        type=bool,
        default=True,
        help="Draw report.html, and pictures for TensorBoard; false writes report.json alone, and removes an old page.",
    )
    parser.add_argument(
        "--trackers",
        type=bool,
        default=False,
        help="Log figures and report also to MLflow and Weights & Biases, where a run was trained with these.",
    )
    parser.add_argument("--precision", type=Precision, default="32-true", help="Precision; bf16-mixed is faster.")
    parser.add_argument("--accelerator", type=Accelerator, default="auto", help="Accelerator to run the models on.")
    parser.add_argument("--devices", type=PositiveInt, default=1, help="Processes per node; the results are the same.")
    parser.add_argument("--num_nodes", type=PositiveInt, default=1, help="Number of nodes.")
    add_allow(parser)
    return parser
