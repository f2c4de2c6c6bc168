"""Started as two processes: the gradient of a step with half the batch each, against one process with all of it.

Norm layers are in evaluation mode, so that their statistics do not differ; everything else of a step is in it.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, distributed
from torch.nn.modules.batchnorm import _BatchNorm

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import make_learner, make_method, make_rows, make_trainer

from unlearning_pl.learners import Classifier, Learner, MoCo
from unlearning_pl.methods import Unlearner, partners
from unlearning_pl.types import Batch, Sample

IMAGES = torch.arange(100)
ROWS = {"train": 8, "retain": 8, "forget": 4, "validation": 4}
SIZES = SimpleNamespace(
    trainer=None,
    positions=lambda split: torch.arange(10 * ROWS.get(split, 0)),
    load=lambda: (SimpleNamespace(targets=IMAGES), None),
    pool=SimpleNamespace(text=lambda length: SimpleNamespace(groups=lambda: IMAGES)),
)


def half(sample: Sample, rank: int) -> Sample:
    return sample.take(slice(rank * len(sample.index) // 2, (rank + 1) * len(sample.index) // 2))


class Plain(Unlearner):
    """Training as it was before anything is forgotten."""

    feed = ("train",)


def installed(name: str, learner: Learner) -> Unlearner:
    if name == "plain":
        return Plain()
    parts = make_method(name)
    method = parts["method"]
    for plugin in parts.get("plugins", []):
        plugin._inner_objective, plugin.inner_streams = method.objective, method.streams
        plugin.prepare(learner, SIZES)
        method = plugin
    method.prepare(learner, SIZES)
    if name == "HeldOutCalibration":
        method.limit = 1e-3  # which limits the pull of every learner
    if name == "ReGUn":  # the same held-out images on each process
        sample = make_rows(12)
        held_out = sample._replace(views=tuple(view.double() for view in sample.views))
        method.measure(learner, {"validation": [held_out]})
    return method


def gradient(method: str, name: str, batch: Batch) -> Tensor:
    torch.manual_seed(0)
    learner = make_learner(name).double().eval()
    learner.trainer = make_trainer()
    unlearner = installed(method, learner)
    with torch.no_grad():  # away from the original, where the distance to a teacher has no gradient
        for p in learner.parameters():
            p.add_(0.1 * torch.randn_like(p) * p.std(correction=0))
    for streams in dict.fromkeys(unlearner.streams(epoch) for epoch in (0, 1)):  # all that alternate
        unlearner.objective(learner, {split: batch[split] for split in streams}).backward()
    return torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])


def neighbours(keys: Tensor, further: Tensor) -> Tensor:
    """Partners within halves, the same for one process and for two; themselves where they are one image."""
    own = torch.arange(len(keys))
    return (own ^ 1).where(keys[own ^ 1] != keys, own)


def lone_partners(batch: Batch) -> Batch:
    """Forget samples of which the second half is one image, drawn over and over: nobody's partner."""
    index = batch["forget"].index.clone()
    index[len(index) // 2 :] = int(index[-1])
    return {**batch, "forget": batch["forget"]._replace(index=index)}


def keys(sample: Sample, shuffle: bool, frozen: bool) -> Tensor:
    torch.manual_seed(0)
    learner = MoCo("resnet9_slim", shuffle=shuffle).double()
    for module in learner.modules():
        module.training = not (frozen and isinstance(module, _BatchNorm))
    return learner.outputs(sample)[1]


def furthest(one: Tensor, other: Tensor) -> float:
    """Largest difference, on whichever process it is."""
    difference = (one - other).abs().max()
    distributed.all_reduce(difference, op=distributed.ReduceOp.MAX)
    return difference.item()


def gathered(found: dict[str, float]) -> dict[str, float]:
    """What all processes have found."""
    every: list[dict[str, float]] = [{}, {}]
    distributed.all_gather_object(every, found)
    return {**every[0], **every[1]}


def main(folder: Path, pairs: list[list[str]]) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    partners.differing_partner = neighbours
    Classifier.corrupt_targets = lambda _, sample: sample._replace(target=(sample.target + 1) % 10)
    whole = {split: make_rows(n) for split, n in ROWS.items()}
    whole = {split: s._replace(views=tuple(v.double() for v in s.views)) for split, s in whole.items()}
    batches = dict.fromkeys(map(tuple, pairs), whole) | {
        ("AlignmentCalibration", "SimCLR", "alone"): lone_partners(whole)
    }
    rank = int(os.environ["RANK"])
    one = {job: gradient(*job[:2], batches[job]) for job in [*batches][rank::2]}  # each process compares half of them
    distributed.init_process_group("gloo")
    found = {}
    for job, batch in batches.items():
        two = gradient(*job[:2], {split: half(s, rank) for split, s in batch.items()})
        distributed.all_reduce(two)  # DDP averages over processes
        if job in one:
            found[" ".join(job)] = ((two / 2 - one[job]).norm() / one[job].norm()).item()
    differences = gathered(found)
    mine = half(whole["retain"], rank)
    for frozen in (True, False):
        differences[f"shuffled {frozen}"] = furthest(keys(mine, True, frozen), keys(mine, False, frozen))
    if rank == 0:
        (folder / "differences.json").write_text(json.dumps(differences))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
