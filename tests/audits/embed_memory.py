"""Started as a process: the memory in MiB that it takes at most to embed synthetic images of 224 pixels.

python tests/audits/embed_memory.py SimCLR VIEWS   # 1: batches of one augmented view, and nothing else
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import sys
from pathlib import Path

import torch
from torch import nn

from unlearning_pl import learners
from unlearning_pl.data import ContrastiveViews, ForgetRequest, ImageSet, Source, UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer

IMAGES, BATCH = 48, 48


class Noise(Source):
    """Random images of 224 pixels: 28 MiB a view of a batch of 48."""

    mean = std = (0.5, 0.5, 0.5)

    def load(self) -> tuple[ImageSet, ImageSet]:
        images = torch.randint(256, (2 * IMAGES, 3, 224, 224), dtype=torch.uint8)
        targets, names = torch.arange(2 * IMAGES) % 10, [str(row) for row in range(2 * IMAGES)]
        classes = [f"c{number}" for number in range(10)]
        train, test = slice(IMAGES), slice(IMAGES, 2 * IMAGES)
        return tuple(ImageSet(images[rows], targets[rows], names[rows], classes) for rows in (train, test))  # type: ignore[return-value]


def small(learner: Learner) -> Learner:
    """The learner with an encoder that needs little memory, so that the images dominate."""
    learner.backbone = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3 * 7 * 7, learner.feature_dim))
    return learner.eval()


def peak() -> float:
    """Peak of the resident memory; ``ru_maxrss`` would begin with that of the process that started this one."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@torch.no_grad()
def main(name: str, views: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = UnlearningData(Noise(), ContrastiveViews(), ForgetRequest(count=2), batch_size=BATCH)
    data.setup("predict")
    learner = small(getattr(learners, name)("resnet9_slim"))
    plan, cpu = SamplePlan.training(InputSpec(views=1), seed=0), torch.device("cpu")
    before = peak()
    if views == 1:
        for sample in data.samples(("test",), plan, cpu)["test"]:
            learner.features(sample.views[0])
    else:
        trainer = UnlearningTrainer(devices=1, accelerator="cpu", logger=False, enable_progress_bar=False)
        trainer.embed({"a": learner}, data, views, splits=("test",))
    sys.stdout.write(f"{peak() - before:.1f}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
