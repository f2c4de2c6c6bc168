"""What an audit costs beside the forward passes of its views, and how its parts grow with images and models.

    python benchmarks/audit_speed.py --images 3000
    python benchmarks/audit_speed.py --images 1500 3000 6000 --models 1 2 4 --rounds 3 --output FILE.json
    python benchmarks/audit_speed.py --accelerator gpu --backbone resnet18 --images 18000 --models 10

The passes alone are those of ready views of the audit's batch sizes through the same encoders, with batch normalisation
fused, as the audit does it, or not, and nothing else. The audit is the user's: embedding by the trainer, then all
metrics. EncoderMI is everything but what serves other metrics alone (clean images, losses, probes, neighbours, other
attacks, the map): it draws views, embeds and compares them, attacks, and has intervals. They take turns; the table has
medians over rounds in seconds, and ratios of medians. Half of the images are retained, a third are test images, a sixth
are to forget. The first number of images is measured with every number of models and views, the others with the first.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import torch
from host_step import Clock
from throughput import settle
from torch import Tensor
from typing_extensions import override
from write_figures import write_figures

from unlearning_pl import learners
from unlearning_pl.audits import compute, extract, probes
from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.data import ContrastiveViews, ForgetRequest, ImageSet, Source, UnlearningData
from unlearning_pl.data.pool import Pool
from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT

ENCODER_MI = ("draw views", "embed views", "compare views", "EncoderMI's attacks", "EncoderMI's intervals")
"""Parts of EncoderMI, beside what the trainer costs."""
OTHERS = (
    "clean images", "losses", "linear probe", "nearest neighbours", "attacks on probabilities", "map", "other metrics",
)  # fmt: skip
"""Parts of other metrics."""


class ClassImages(Source):
    """Random images in memory, of ten classes with a pattern each."""

    mean = std = (0.5, 0.5, 0.5)

    def __init__(self, images: int, size: int) -> None:
        self.test, self.size = images // 3, size
        self.train = images - self.test

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)
        patterns = torch.randint(64, (10, 3, self.size, self.size), generator=generator, dtype=torch.uint8)
        sets = []
        for name, count in (("train", self.train), ("test", self.test)):
            targets = torch.randint(10, (count,), generator=generator)
            noise = torch.randint(192, (count, 3, self.size, self.size), generator=generator, dtype=torch.uint8)
            ids = [f"{name}{row}" for row in range(count)]
            sets.append(ImageSet(patterns[targets] + noise, targets, ids, [str(number) for number in range(10)]))
        return sets[0], sets[1]


class SettledClock(Clock):
    """Waits for the device before and after each part."""

    @override
    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        settle()
        with super().part(name):
            yield
            settle()


def watch(clock: Clock) -> None:
    """Time the parts of an audit, by the functions that do them."""
    for owner, attribute, part in (
        (Pool, "rows_at", "draw views"),
        (Pool, "normalise", "draw views"),
        (ContrastiveViews, "forward", "draw views"),
        (extract, "pair_similarities", "compare views"),
        (extract, "_clean_fields", "clean images"),
        (extract, "per_sample_losses", "losses"),
        (compute, "membership_scores", "EncoderMI's attacks"),
        (compute, "membership", "EncoderMI's attacks"),
        (compute, "learned_scores", "EncoderMI's attacks"),
        (compute, "membership_intervals", "EncoderMI's intervals"),
        (compute, "learned_attacks", "EncoderMI's intervals"),
        (probes, "linear_probe", "linear probe"),
        (compute, "neighbour_hits", "nearest neighbours"),
        (compute, "confidence_attacks", "attacks on probabilities"),
        (compute, "population_attack", "attacks on probabilities"),
        (compute, "embedding_map", "map"),
        (compute, "_compute_audit", "other metrics"),
        (compute, "against_original", "other metrics"),
        (compute, "against_retrained", "other metrics"),
        (compute, "compare", "other metrics"),
    ):
        clock.wrap(owner, attribute, part)


def watch_passes(clock: Clock) -> None:
    """Time the encoders' passes, of clean images and of views: clean ones come first in a batch."""
    features, embed_batch, clean = Learner.features, extract.embed_batch, dict[int, bool]()

    def timed(learner: Learner, x: Tensor) -> Tensor:
        part = "embed views" if clean.setdefault(id(learner), False) else "clean images"
        clean[id(learner)] = True
        with clock.part(part):
            return features(learner, x)

    def batch(*args: Any) -> Any:
        clean.clear()
        return embed_batch(*args)

    Learner.features, extract.embed_batch = timed, batch  # type: ignore[method-assign]


class Audit:
    """An audit of so many models of so many images."""

    def __init__(self, options: argparse.Namespace, images: int, models: int, views: int) -> None:
        self.views, self.size = views, options.size
        self.device = torch.device("cuda" if options.accelerator == "gpu" else "cpu")
        torch.manual_seed(0)
        names = ["original", "retrained", *(f"model{number}" for number in range(models))][:models]
        self.learners: dict[str, Learner] = {
            name: getattr(learners, options.learner)(options.backbone) for name in names
        }
        source, forget = ClassImages(images, options.size), ForgetRequest(fraction=0.25)
        self.data = UnlearningData(source, ContrastiveViews(), forget, batch_size=options.batch)
        self.data.setup("predict")
        hardware = {"accelerator": options.accelerator, "precision": options.precision}
        self.trainer = UnlearningTrainer(**SILENT, **hardware, devices=1, seed=0)

    def passes(self, fused: bool) -> float:
        """Seconds of the passes of ready views alone, with or without fused batch normalisation."""
        rows = [
            len(part)
            for split in extract.AUDITED.values()
            for part in self.data.positions(split).split(self.data.eval_batch_size)
        ]
        views = torch.randn(self.views, max(rows), 3, self.size, self.size, device=self.device)
        precision = self.trainer.precision_plugin.forward_context()
        with ExitStack() as stack, torch.inference_mode(), precision:
            for learner in self.learners.values():
                learner.to(self.device, memory_format=torch.channels_last).eval()
                stack.enter_context(fused_batch_norm(learner) if fused else nullcontext())
            settle()
            start = time.perf_counter()
            for count in rows:
                for view in views[:, :count]:
                    for learner in self.learners.values():
                        learner.backbone(view)
            settle()
            return time.perf_counter() - start

    def audit(self, clock: Clock) -> dict[str, float]:
        """Seconds of each part."""
        clock.seconds.clear()
        settle()
        start = time.perf_counter()
        embeddings = self.trainer.embed(self.learners, self.data, self.views)
        references = {name: name for name in ("original", "retrained") if name in embeddings}
        compute.compute_audits(embeddings, **references)
        seconds = time.perf_counter() - start
        parts = {name: clock.seconds.get(name, 0.0) for name in (*ENCODER_MI, *OTHERS)}
        encoder_mi = seconds - sum(parts[name] for name in OTHERS)
        rest = {"trainer, copies, the rest": seconds - sum(parts.values()), "EncoderMI": encoder_mi}
        return parts | rest | {"the audit": seconds}


def measure(options: argparse.Namespace, clock: Clock, images: int, models: int, views: int) -> dict[str, float]:
    """Medians of the parts and of the passes alone, and ratios."""
    audit, rounds = Audit(options, images, models, views), []
    audit.passes(fused=True)  # takes memory, and chooses kernels
    for number in range(options.rounds):
        parts = audit.audit(clock) if number % 2 else {}
        passes = {"passes alone": audit.passes(fused=True), "passes alone, not fused": audit.passes(fused=False)}
        rounds.append((parts or audit.audit(clock)) | passes)
    found = {name: median(one[name] for one in rounds) for name in rounds[0]}
    ratios = [("EncoderMI", "passes alone"), ("EncoderMI", "passes alone, not fused"), ("the audit", "passes alone")]
    return found | {f"{one} / {other}": found[one] / found[other] for one, other in ratios}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learner", default="SimCLR")
    parser.add_argument("--backbone", default="resnet9_slim")
    parser.add_argument("--images", type=int, nargs="+", default=[3000], help="Images of an audit, of all splits.")
    parser.add_argument("--models", type=int, nargs="+", default=[1])
    parser.add_argument("--views", type=int, nargs="+", default=[10])
    parser.add_argument("--size", type=int, default=32, help="Pixels of a side.")
    parser.add_argument("--batch", type=int, default=256, help="Rows of a batch.")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    return parser.parse_args()


def main() -> None:
    options, clock = parse(), SettledClock()
    watch(clock)
    watch_passes(clock)
    images, models, views = options.images[0], options.models[0], options.views[0]
    cases = [(number, models, views) for number in options.images]
    cases += [(images, number, views) for number in options.models[1:]]
    cases += [(images, models, number) for number in options.views[1:]]
    found = {"{} images, {} models, {} views".format(*case): measure(options, clock, *case) for case in cases}
    lines = [f"| seconds | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for name in next(iter(found.values())):
        lines.append(f"| {name} | {' | '.join(f'{figures[name]:.2f}' for figures in found.values())} |")
    sys.stdout.write("\n".join(lines) + "\n")
    write_figures(options, figures=found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
