"""Verdicts on models whose answer is known: 3 learners x 7 models x 4 requests x 1 to 3 references, over seeds.

    python benchmarks/verdict_grid.py [--learners SimCLR Classifier MoCo] [--seeds 0 1 2] [--output DIR] [--page FILE]

Models: the original and a renamed copy of it (never "equivalent"), another retrained one and a renamed copy of a
retrained one (never "remembers" or "over-forgets"), one with constant weights (broken), a random one and one trained on
other data (never "equivalent" or "remembers"). Requests: 3, 30 and 300 images drawn at random, and a class. DIR keeps
the evidence of each request: a later call continues, and a later version judges the same models. Exits with 1 if any
verdict is false, except that chance may explain some on unrelated models at the audit's level (the 99 % quantile of the
binomial distribution), or if an original with 300 images cannot be told. About 45 minutes a seed on one core.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import copy
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from scipy import stats
from torch.optim import SGD

from unlearning_pl import learners
from unlearning_pl.audits import compare, compute_audits
from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.verdict import LEVEL, Evidence
from unlearning_pl.audits.verdict_settings import VerdictSettings
from unlearning_pl.data import Digits, ForgetRequest, ImageSet, JitterViews, Source, UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer

REQUESTS = {**{f"{n} images": ForgetRequest(count=n) for n in (3, 30, 300)}, "a class": ForgetRequest(classes=[3])}
REFERENCES = (1, 2, 3)
TRAINED = 700
EPOCHS = {"SimCLR": 300, "MoCo": 300, "Classifier": 60}  # so many that each has memorised its images
OPTIONS = {"MoCo": {"queue_size": 300, "momentum": 0.9}}
ALLOWED: dict[str, set[str]] = {
    "original": {"remembers", "cannot tell"},
    "original, renamed": {"remembers", "cannot tell"},
    "retrained again": {"equivalent", "cannot tell"},
    "retrained, renamed": {"equivalent", "cannot tell"},
    "constant": {"broken"},
    "random": {"broken", "over-forgets", "cannot tell"},
    "other data": {"broken", "over-forgets", "cannot tell"},
}
UNRELATED = ("retrained again", "random", "other data")
"""Models whose difference from the references is chance, which the level of the audit bounds."""


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
    learner: Learner = getattr(learners, name)("resnet9_slim", **OPTIONS.get(name, {}))
    learner.optimize_with(partial(SGD, lr=0.1, momentum=0.9), "cosine")
    return learner


def trainer(seed: int = 0, epochs: int = 1) -> UnlearningTrainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return UnlearningTrainer(accelerator="cpu", devices=1, max_epochs=epochs, seed=seed, **quiet)  # type: ignore[arg-type]


def trained(name: str, data: UnlearningData, seed: int) -> Learner:
    learner = new(name, seed)
    trainer(seed, EPOCHS[name]).fit(learner, datamodule=data)
    return learner


def digits(request: ForgetRequest | None = None, train_on: str = "all") -> UnlearningData:
    source = WrongLabels(train_size=TRAINED, image_size=8)
    return UnlearningData(source, JitterViews(), request or ForgetRequest(count=3), train_on=train_on, batch_size=100)  # type: ignore[arg-type]


def constant(learner: Learner) -> Learner:
    zeros = copy.deepcopy(learner)
    with torch.no_grad():
        for weight in zeros.parameters():
            weight.zero_()
    return zeros


class Case(NamedTuple):
    """A verdict with what was judged."""

    seed: int
    learner: str
    request: str
    references: int
    model: str
    kind: str
    reason: str
    attack: str
    auc: float
    reference: float
    detectable: float

    @property
    def is_false(self) -> bool:
        return self.kind not in ALLOWED[self.model]

    @property
    def is_missed(self) -> bool:
        """Whether an original that has to be told is not."""
        return self.model == "original" and self.request == "300 images" and self.kind == "cannot tell"


def cases(name: str, title: str, seed: int, folder: Path) -> Iterator[Case]:
    """Verdicts with one reference and more, on evidence that is kept."""
    kept = folder / f"{name}_{seed}_{title.replace(' ', '_')}.pt"
    if not kept.exists():
        audits = audited(name, REQUESTS[title], seed)
        torch.save({one.name: (dict(one.evidence.attacks), dict(one.evidence.utility)) for one in audits}, kept)
    evidence = {model: Evidence(*parts) for model, parts in torch.load(kept, weights_only=True).items()}
    settings = VerdictSettings(drawn=REQUESTS[title].is_drawn)
    for references in REFERENCES:
        used = [f"reference {number}" for number in range(references)]
        shown = [model for model in evidence if model in used or not model.startswith("reference")]
        audits = [Audit(model, {}, {}, torch.zeros(0, 0), evidence=evidence[model]) for model in shown]
        for audit in compare(audits, "original", used, settings):
            if audit.name not in used and (verdict := audit.verdict) is not None:
                figures = verdict.headline.auc, verdict.headline.reference, verdict.detectable
                yield Case(
                    seed, name, title, references, audit.name, verdict.kind, verdict.reason, verdict.attack, *figures
                )


@lru_cache(maxsize=1)
def trained_once(name: str, seed: int) -> tuple[Learner, Learner]:
    """The original and the model of other data, which all requests share."""
    noise = UnlearningData(Noise(), JitterViews(), batch_size=100)
    return trained(name, digits(), seed), trained(name, noise, seed)


def audited(name: str, request: ForgetRequest, seed: int) -> list[Audit]:
    original, other = trained_once(name, seed)
    data = digits(request, "retain")
    retrained = [trained(name, data, 1000 * (1 + number) + seed) for number in range(max(REFERENCES) + 1)]
    models = {
        "original": original,
        **{f"reference {number}": model for number, model in enumerate(retrained[:-1])},
        "original, renamed": original,
        "retrained again": retrained[-1],
        "retrained, renamed": retrained[0],
        "constant": constant(original),
        "random": new(name, 77 + seed),
        "other data": other,
    }
    images = digits(request)
    images.setup("predict")
    return compute_audits(trainer().embed(models, images, views=6))


def line(case: Case) -> str:
    figures = f"AUC {case.auc:.3f} of {case.reference:.3f}, detectable {case.detectable:.3f}"
    flags = f"{'  FALSE' if case.is_false else ''}{'  MISSED' if case.is_missed else ''}"
    what = f"{case.seed} {case.learner:11}{case.request:11}{case.references}  {case.model:19}"
    return f"{what}{case.kind:14}{case.reason:14}{case.attack:11}{figures}{flags}\n"


def page(found: list[Case], command: str) -> str:
    """Numbers of verdicts by learner, request and model, over references and seeds."""
    rows = ["| Learner | Request | Model | Verdicts | False |", "|---|---|---|---|---|"]
    for key in dict.fromkeys((case.learner, case.request, case.model) for case in found):
        group = [case for case in found if (case.learner, case.request, case.model) == key]
        kinds = Counter(case.kind for case in group)
        verdicts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        rows.append(f"| {' | '.join([*key, verdicts])} | {sum(case.is_false for case in group)} |")
    parts = [
        "# Verdicts on models whose answer is known",
        f"    {command}",
        f"Each verdict with {', '.join(map(str, REFERENCES))} retrained models, over the seeds. {summary(found)}",
        "\n".join(rows),
    ]
    return "\n\n".join(parts) + "\n"


def summary(found: list[Case]) -> str:
    false, missed = sum(case.is_false for case in found), sum(case.is_missed for case in found)
    return f"{false} of {len(found)} verdicts are false; {missed} originals with 300 images were not told."


def is_wrong(found: list[Case]) -> bool:
    """Whether more is false than the level of the audit allows."""
    told = [one.is_false for one in found if one.model in UNRELATED and one.kind != "equivalent"]
    never = [one.is_false for one in found if one.model not in UNRELATED or one.kind == "equivalent"]
    return any(never) or sum(told) > stats.binom.ppf(0.99, len(told), LEVEL) or any(case.is_missed for case in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", nargs="+", default=["SimCLR", "Classifier", "MoCo"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("runs/verdict_grid"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/verdicts.md"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found = []
    for seed, name, title in product(options.seeds, options.learners, REQUESTS):
        for case in cases(name, title, seed, options.output):
            found.append(case)
            sys.stdout.write(line(case))
        sys.stdout.flush()
    options.page.write_text(page(found, " ".join(["python benchmarks/verdict_grid.py", *sys.argv[1:]])))
    sys.exit(summary(found) if is_wrong(found) else 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
