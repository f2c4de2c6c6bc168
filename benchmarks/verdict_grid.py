"""Verdicts on models whose answer is known: 3 learners x 6 models x 3 numbers of images to forget.

    python benchmarks/verdict_grid.py [--learners SimCLR Classifier MoCo] [--seed 0] [--references 2]

Models: the original (remembers), another retrained one and a renamed copy of a retrained one (never "remembers", never
"over-forgets"), the original renamed (as the original), one with constant weights and a random one (broken, or cannot
tell with few images, never equivalent), one trained on other data (never equivalent, never "remembers"). Prints each
verdict, and exits with 1 if one is false, or if an original with 300 images cannot be told. About ten minutes on two
cores.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import copy
import logging
import sys
import warnings
from functools import partial

import torch
from torch.optim import SGD

from unlearning_pl import learners
from unlearning_pl.audits import compare, compute_audits
from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.data import Digits, ForgetRequest, ImageSet, JitterViews, Source, UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer

FORGOTTEN = (3, 30, 300)
TRAINED = 700
EPOCHS = {"SimCLR": 120, "MoCo": 120, "Classifier": 60}
ALLOWED: dict[str, set[str]] = {
    "original": {"remembers", "cannot tell"},
    "original, renamed": {"remembers", "cannot tell"},
    "retrained again": {"equivalent", "cannot tell", "broken"},
    "retrained, renamed": {"equivalent", "cannot tell"},
    "constant": {"broken"},
    "random": {"broken", "over-forgets", "cannot tell"},
    "other data": {"broken", "over-forgets", "cannot tell"},
}


class WrongLabels(Digits):
    """Digits, 30 % of the images with a wrong class: a classifier that fits these has memorised them."""

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)
        train, test = (_with_wrong_labels(images, generator) for images in super().load())
        return train, test


def _with_wrong_labels(images: ImageSet, generator: torch.Generator) -> ImageSet:
    wrong = torch.rand(len(images.targets), generator=generator) < 0.3
    targets = torch.where(wrong, (images.targets + 3) % 10, images.targets)
    return ImageSet(images.images, targets, images.ids, images.class_names)


class Noise(Source):
    """Random images with random classes: what a model learns of them is nothing of digits."""

    mean = std = (0.5, 0.5, 0.5)

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)
        sets = []
        for name, count in (("train", TRAINED), ("test", 100)):
            images = torch.randint(256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
            targets = torch.randint(10, (count,), generator=generator)
            sets.append(
                ImageSet(images, targets, [f"{name}{row}" for row in range(count)], [str(c) for c in range(10)])
            )
        return sets[0], sets[1]


def new(name: str, seed: int) -> Learner:
    torch.manual_seed(seed)
    learner: Learner = getattr(learners, name)("resnet9_slim", **({"queue_size": 512} if name == "MoCo" else {}))
    learner.optimize_with(partial(SGD, lr=0.1, momentum=0.9), "cosine")
    return learner


def trainer(seed: int = 0, epochs: int = 1) -> UnlearningTrainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return UnlearningTrainer(accelerator="cpu", devices=1, max_epochs=epochs, seed=seed, **quiet)  # type: ignore[arg-type]


def trained(name: str, data: UnlearningData, seed: int) -> Learner:
    learner = new(name, seed)
    trainer(seed, EPOCHS[name]).fit(learner, datamodule=data)
    return learner


def digits(forget: int, train_on: str = "all") -> UnlearningData:
    source = WrongLabels(train_size=TRAINED, image_size=8)
    return UnlearningData(source, JitterViews(), ForgetRequest(count=forget), train_on=train_on, batch_size=100)  # type: ignore[arg-type]


def constant(learner: Learner) -> Learner:
    zeros = copy.deepcopy(learner)
    with torch.no_grad():
        for weight in zeros.parameters():
            weight.zero_()
    return zeros


def judged(name: str, forget: int, original: Learner, other: Learner, references: int, seed: int) -> list[Audit]:
    data = digits(forget, "retain")
    retrained = [trained(name, data, seed + 1 + number) for number in range(references + 1)]
    models = {
        "original": original,
        **{f"reference {number}": model for number, model in enumerate(retrained[:references])},
        "original, renamed": original,
        "retrained again": retrained[-1],
        "retrained, renamed": retrained[0],
        "constant": constant(original),
        "random": new(name, 77),
        "other data": other,
    }
    audited = digits(forget)
    audited.setup("predict")
    embeddings = trainer().embed(models, audited, views=6)
    audits = compute_audits(embeddings)
    return compare(audits, "original", [f"reference {number}" for number in range(references)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", nargs="+", default=["SimCLR", "Classifier", "MoCo"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--references", type=int, default=2)
    options = parser.parse_args()
    wrong = 0
    for name in options.learners:
        original = trained(name, digits(3), options.seed)
        noise = UnlearningData(Noise(), JitterViews(), batch_size=100)
        other = trained(name, noise, options.seed)
        for forget in FORGOTTEN:
            for audit in judged(name, forget, original, other, options.references, options.seed):
                if audit.name.startswith("reference") or audit.verdict is None:
                    continue
                kind, one = audit.verdict.kind, audit.verdict.headline
                false = kind not in ALLOWED[audit.name] or (audit.name, forget, kind) == (
                    "original",
                    300,
                    "cannot tell",
                )
                wrong += false
                sys.stdout.write(
                    f"{name:11}{forget:4}  {audit.name:19}{kind:14}{audit.verdict.reason:13}{audit.verdict.attack:11}"
                    f"AUC {one.auc:.3f} of {one.reference:.3f}, detectable {audit.verdict.detectable:.3f}"
                    f"{'  FALSE' if false else ''}\n"
                )
                sys.stdout.flush()
    sys.exit(f"{wrong} false verdicts." if wrong else 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
