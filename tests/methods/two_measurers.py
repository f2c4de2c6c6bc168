"""Started as two processes: what is measured, validated and audited, and the images that each process read for it."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import seed_everything

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import LEARNERS, make_data, make_learner, make_trainer

from unlearning_pl.audits import extract
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.loaders import Rows
from unlearning_pl.learners import Learner
from unlearning_pl.methods import Unlearner
from unlearning_pl.methods.shared_means import shared_mean, success
from unlearning_pl.methods.weight_gradients import squared_gradients, summed_gradients
from unlearning_pl.types import Sample, Split


class Measures(Unlearner):
    """Measures what SalUn, SSD and ContrastiveUnlearning do; takes no step."""

    takes_steps = False

    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        (validation,) = self.shared_samples(learner.trainer, learner, ("validation",)).values()
        self.found = {
            "sums": flat(summed_gradients(learner, streams["forget"])),
            "squares": flat(squared_gradients(learner, streams["retain"], rows=3)),
            "success": shared_mean(learner, validation, success),
        }
        learner.trainer.should_stop = True


def flat(weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in weights.values()])


@contextmanager
def recorded() -> Iterator[list[int]]:
    """Positions of the images that this process reads."""
    rows: list[int] = []
    sample, views = UnlearningData.sample, extract.view_stream

    def reads_sample(data: UnlearningData, batch: Rows) -> Sample:
        rows.extend(batch.index.tolist())
        return sample(data, batch)

    def reads_views(pool: Any, augment: Any, batch: Rows) -> Any:
        rows.extend(batch.index.tolist())
        return views(pool, augment, batch)

    with patch.object(UnlearningData, "sample", reads_sample), patch.object(extract, "view_stream", reads_views):
        yield rows


def found(name: str, processes: int) -> dict[str, tuple[dict[str, Any], list[int]]]:
    """Figures of one learner, and the positions that this process read for them."""
    several = {"devices": processes, "strategy": "ddp"} if processes > 1 else {}
    seed_everything(0, verbose=False)
    learner, data, method = make_learner(name), make_data(eval_batch_size=4), Measures()
    results = {}
    with recorded() as rows:
        make_trainer(limit_val_batches=0, logger=False, callbacks=[method], **several).fit(learner, datamodule=data)
    results["measure"] = method.found, rows
    trainer = make_trainer(logger=False, **several)
    with recorded() as rows:
        figures = trainer.test(learner, datamodule=data, verbose=False)[0]
    results["test"] = {key: torch.tensor(value) for key, value in figures.items()}, rows
    with recorded() as rows:
        embeddings = trainer.embed({name: learner}, data, views=3).get(name, {})
    columns = {f"{split} {key}": value for split, fields in embeddings.items() for key, value in vars(fields).items()}
    results["embed"] = {key: value for key, value in columns.items() if value is not None}, rows
    return results


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.save({name: found(name, 2) for name in LEARNERS}, folder / f"{torch.distributed.get_rank()}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
