"""The command ``owner``."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import seed_everything
from rich.console import Console

from unlearning_pl.audits import Audit
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED
from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.image_folder import OwnerImages, open_owner_images, require_disjoint
from unlearning_pl.blackbox.owner_audit import audit_images, require_views
from unlearning_pl.blackbox.owner_conclusion import conclusion, owner_table, question
from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.commands.encoder_options import ADDRESS, add_pixels, pixels_of
from unlearning_pl.data import Views
from unlearning_pl.report import write_report
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.training import runs
from unlearning_pl.types import Split


def owner_parser() -> ArgumentParser:
    """Options of the command ``owner``."""
    parser = make_parser(
        "owner", "What models still know of your images, by the vectors that they give, and a report on it."
    )
    parser.add_argument(
        "--before", type=str, required=True, help=f"Model before unlearning. {ADDRESS} or http(s)://..."
    )
    parser.add_argument("--after", type=str, required=True, help="Model after unlearning, likewise.")
    parser.add_argument("--reference", type=str | None, default=None, help="Model never trained on your images.")
    parser.add_argument("--images", type=str, required=True, help="Folder of your images that were to be forgotten.")
    parser.add_argument(
        "--unseen", type=str | None, default=None, help="Folder of such images that no model was given."
    )
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image of the membership attack.")
    parser.add_subclass_arguments(Views, "augmentation", help="What a view is; ContrastiveViews if absent.")
    parser.set_defaults({"augmentation": {"class_path": "unlearning_pl.data.ContrastiveViews"}})
    parser.add_argument("--output", type=str, default="owner_audit", help="Folder of the report.")
    parser.add_argument("--timeout", type=float, default=30.0, help="Seconds to wait for each answer of a server.")
    add_pixels(parser)
    return parser


def owner(args: list[str]) -> None:
    """Run the command ``owner``."""
    parser = owner_parser()
    options = parse_args(parser, args)
    policy: Views = parser.instantiate_classes(options).augmentation
    require_views(options.views)
    pictures = _pictures(options.images, options.unseen)
    addresses = {ORIGINAL: options.before, RETRAINED: options.reference, "after": options.after}
    encoders = {
        name: open_encoder(address, pixels_of(options), options.timeout, options.layer)
        for name, address in addresses.items()
        if address is not None
    }
    folder = make_output_folder(Path(options.output).expanduser())
    seed_everything(0, verbose=False)
    audits = audit_images(encoders, pictures, policy, options.views)
    settings = {name: _settings(encoder, policy, options) for name, encoder in encoders.items()}
    told = {"commands": [shlex.join(["unlearning-pl", "owner", *args])], "settings": settings}
    page = write_report(folder, audits, _context(pictures, audits) | told)
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(owner_table(audits))
    console.print(conclusion(audits), highlight=False)
    console.print(f"Report: {page}", soft_wrap=True, markup=False)


def _pictures(images: str, unseen: str | None) -> dict[Split, OwnerImages]:
    pictures: dict[Split, OwnerImages] = {"forget": open_owner_images(images)}
    if unseen is not None:
        pictures["test"] = open_owner_images(unseen)
        require_disjoint(pictures["forget"], pictures["test"])
    return pictures


def _context(pictures: Mapping[Split, OwnerImages], audits: Sequence[Audit]) -> dict[str, Any]:
    counts = {split: len(images) for split, images in pictures.items()}
    return {
        "title": "Owner's audit",
        "question": question(counts),
        "conclusion": conclusion(audits),
        "dataset": str(pictures["forget"].folder),
        "fingerprint": pictures["forget"].fingerprint(),
        "counts": counts,
        "ids": {split: images.ids for split, images in pictures.items()},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **runs.environment(),
    }


def _settings(encoder: Encoder, policy: Views, options: Namespace) -> dict[str, Any]:
    strengths = {name: value for name, value in vars(policy).items() if name != "training" and name[0] != "_"}
    return {
        "model": encoder.name,
        "image_size": list(encoder.image_size),
        "dimensions": encoder.dimensions,
        "layer": options.layer,
        "views": options.views,
        "augmentation": {type(policy).__name__: strengths},
    }
