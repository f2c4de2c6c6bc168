"""The gallery: reports of a small run, which the commands on the page write below build/gallery."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image

from unlearning_pl import open_data
from unlearning_pl.commands.main import main

ROOT = Path(__file__).parents[2]
FOLDER = Path("build/gallery")
RUNS = FOLDER / "runs"
_FIT = "unlearning-pl fit --config experiments/simclr_digits --trainer.max_epochs 60"
TRAINING = (
    f"{_FIT} --run {RUNS}/original",
    f"{_FIT} --data.train_on retain --data.forget.count 60 --run {RUNS}/retrained",
    *(
        f"unlearning-pl unlearn --original {RUNS}/original --config methods/{method} --optimizer.lr {rate} "
        f"--forget.count 60 --trainer.max_epochs {epochs} --run {RUNS}/{method}"
        for method, rate, epochs in (("neg_grad", 0.16, 10), ("gradient_ascent", 0.1, 5))
    ),
)
PAGES = {
    "Audit of two methods": (
        "audit/report.html",
        f"unlearning-pl audit --model {RUNS}/neg_grad {RUNS}/gradient_ascent --original {RUNS}/original "
        f"--retrained {RUNS}/retrained --output {FOLDER}/audit",
    ),
    "Audit by a data owner": (
        "owner/report.html",
        f"unlearning-pl owner --before {RUNS}/original --after {RUNS}/neg_grad --reference {RUNS}/retrained "
        f"--images {FOLDER}/mine --unseen {FOLDER}/unseen --augmentation JitterViews --output {FOLDER}/owner",
    ),
    "Augmented views": (
        "views.png",
        f"unlearning-pl views --run {RUNS}/original --images 6 --output {FOLDER}/views.png --overwrite",
    ),
}
"""File and command of each section of the page."""
_INTRODUCTION = """# Gallery

What the commands write, made by them when this site was built: a small encoder of 400 handwritten digits, 60 of which
are to be forgotten, after a short training. The figures show how a report reads, not how good a method is;
[results](results.md) has those.
"""


def build_gallery() -> dict[str, Path]:
    """Run the commands unless their files exist; gives the file of each path in the site."""
    files = {f"gallery/{name}": ROOT / FOLDER / name for name, _ in PAGES.values()}
    if not all(path.is_file() for path in files.values()):
        with _working_directory(ROOT):
            for line in TRAINING:
                _run(f"{line} --overwrite --trainer.enable_progress_bar false")
            _write_images()
            for _, line in PAGES.values():
                _run(line)
    return files


def gallery_page() -> str:
    """Content of the page.

    Example:
        >>> gallery_page().splitlines()[0]
        '# Gallery'
    """
    sections = [_INTRODUCTION, f"```sh\n{chr(10).join(TRAINING)}\n```\n"]
    for title, (name, line) in PAGES.items():
        place = f"gallery/{name}"
        shown = (
            f"![{title}]({place})"
            if name.endswith(".png")
            else f'<iframe class="report" src="{place}" title="{title}"></iframe>\n\n[On a page of its own]({place})'
        )
        sections.append(f"## {title}\n\n```sh\n{line}\n```\n\n{shown}\n")
    return "\n".join(sections)


def _run(line: str) -> None:
    status = main(shlex.split(line)[1:])
    if status:
        raise RuntimeError(f"Expected the gallery's command to succeed, got status {status}: {line}")


def _write_images() -> None:
    """The images that an owner has: those to forget, and as many of the test set."""
    data = open_data(RUNS / "neg_grad")
    train, test = data.load()
    pixels = torch.cat([train.images, test.images])
    for folder, split in (("mine", "forget"), ("unseen", "test")):
        target = FOLDER / folder
        target.mkdir(parents=True, exist_ok=True)
        for position in data.positions(split)[:60].tolist():
            Image.fromarray(pixels[position].permute(1, 2, 0).numpy()).save(target / f"{position}.png")


@contextmanager
def _working_directory(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
