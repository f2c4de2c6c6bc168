"""The command ``owner``."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from unlearning_pl.audits import Audit
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, require_views
from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.image_folder import OwnerImages, open_owner_images, require_disjoint, require_memory
from unlearning_pl.blackbox.owner_audit import audit_images
from unlearning_pl.blackbox.owner_conclusion import conclusion, owner_table, question, remarks
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.commands.encoder_options import ADDRESS, add_pixels, pixels_from_options
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.data import Views
from unlearning_pl.report import write_report
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training import runs
from unlearning_pl.types import Split


def owner_parser() -> ArgumentParser:
    """Create the parser of the command ``owner``."""
    parser = make_parser(
        "owner", "Audit what models still know of your images, from their output vectors only, and write a report."
    )
    parser.add_argument(
        "--before", type=str, required=True, help=f"Model before unlearning: {ADDRESS}, or http(s)://..."
    )
    parser.add_argument("--after", type=str, required=True, help="Model after unlearning; same forms as --before.")
    parser.add_argument(
        "--reference",
        type=str | None,
        default=None,
        help="Model that was never trained on your images; same forms as --before.",
    )
    parser.add_argument("--images", type=str, required=True, help="Folder of your images that the model should forget.")
    parser.add_argument(
        "--unseen", type=str | None, default=None, help="Folder of similar images that no model was trained on."
    )
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image for the membership attack.")
    parser.add_subclass_arguments(Views, "augmentation", help="Augmentation of a view; ContrastiveViews by default.")
    parser.set_defaults({"augmentation": {"class_path": "unlearning_pl.data.ContrastiveViews"}})
    parser.add_argument("--output", type=str, default="owner_audit", help="Folder of the report.")
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        help="Seconds for each request to a server, from connecting to the last byte of the response.",
    )
    add_pixels(parser)
    add_allow(parser)
    return parser


def owner(args: list[str]) -> LastLines:
    """Run the command ``owner``."""
    parser = owner_parser()
    options = parse_args(parser, args)
    policy: Views = parser.instantiate_classes(options).augmentation
    require_views(options.views)
    images = _open_images(options.images, options.unseen)
    addresses = {ORIGINAL: options.before, RETRAINED: options.reference, "after": options.after}
    encoders = {
        name: open_encoder(address, pixels_from_options(options), options.timeout, options.layer, options.allow)
        for name, address in addresses.items()
        if address is not None
    }
    most = max(map(len, images.values()))
    for encoder in encoders.values():
        require_memory(encoder.name, encoder.image_size, most, options.views)
    folder = make_output_folder(Path(options.output).expanduser())
    with progress_lines():
        audits = audit_images(encoders, images, policy, options.views)
    settings = {name: _settings(encoder, policy, options) for name, encoder in encoders.items()}
    how = {"commands": [shlex.join(["unlearning-pl", "owner", *args])], "settings": settings}
    page = write_report(folder, audits, _context(images, audits) | how)
    console = open_console(width=100)
    console.print(owner_table(audits))
    console.print(conclusion(audits), highlight=False, markup=False)
    return page_written(page)


def _open_images(forget: str, unseen: str | None) -> dict[Split, OwnerImages]:
    images: dict[Split, OwnerImages] = {"forget": open_owner_images(forget)}
    if unseen is not None:
        images["test"] = open_owner_images(unseen)
        require_disjoint(images["forget"], images["test"])
    return images


def _context(images: Mapping[Split, OwnerImages], audits: Sequence[Audit]) -> dict[str, Any]:
    counts = {split: len(folder) for split, folder in images.items()}
    return {
        "title": "Owner's audit",
        "question": question(counts),
        "conclusion": remarks(audits),
        "dataset": str(images["forget"].folder),
        "fingerprint": images["forget"].fingerprint(),
        "counts": counts,
        "ids": {split: folder.ids for split, folder in images.items()},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **runs.environment(),
    }


def _settings(encoder: Encoder, policy: Views, options: Namespace) -> dict[str, Any]:
    augmentation = {name: value for name, value in vars(policy).items() if name != "training" and name[0] != "_"}
    return {
        "model": encoder.name,
        "image_size": list(encoder.image_size),
        "dimensions": encoder.dimensions,
        "layer": options.layer,
        "views": options.views,
        "augmentation": {type(policy).__name__: augmentation},
    }
