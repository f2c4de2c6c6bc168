"""Started as two processes: what tiny models say of tiny data, as rank 0 gathers it."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import sys
from pathlib import Path

import torch
from lightning.pytorch import seed_everything

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import LEARNERS, make_data, make_learner, make_trainer

from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.data import ForgetRequest
from unlearning_pl.types import Split


def found(processes: int) -> dict[str, dict[Split, Embeddings]]:
    """With 3 forget images in one batch, 41 retain images in three and test images in many."""
    seed_everything(0, verbose=False)
    learners = {name: make_learner(name) for name in LEARNERS}
    data = make_data(forget=ForgetRequest(count=3))
    several = {"devices": processes, "strategy": "ddp"} if processes > 1 else {}
    return make_trainer(logger=False, **several).embed(learners, data, views=3)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    embeddings = found(2)
    rank = torch.distributed.get_rank()
    plain = {name: {split: vars(look) for split, look in splits.items()} for name, splits in embeddings.items()}
    torch.save(plain, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
