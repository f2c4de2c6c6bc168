"""Weights spread over two processes (FSDP) against copies on both (DDP), on a CPU: the same weights must come out.

`make exactness` runs it. Every method that FSDP is allowed with trains small transformers; a run that is interrupted
and resumed ends like an unbroken one; what is written is read, and audited, by one process that knows no FSDP.

Lightning offers FSDP on GPUs only. torch's own can do with a CPU, but for two things that are put in its place:
the device has to be named, and weights gathered for a checkpoint must not be moved to the CPU that they are on.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.strategies import FSDPStrategy, fsdp
from open_clip.transformer import ResidualAttentionBlock
from torch import nn
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    StateDictType,
)
from torch.optim import SGD
from torchvision.models import VisionTransformer
from torchvision.models.vision_transformer import EncoderBlock

sys.path.insert(0, str(Path(__file__).parents[1]))
from launching import TORCHRUN
from tiny import LEARNERS, METHODS, PLUGINS, make_data, make_learner, make_method, make_trainer

from unlearning_pl.learners import Learner
from unlearning_pl.learners.backbones import BUILDERS
from unlearning_pl.training.weights import load_weights


def small_transformer() -> tuple[nn.Module, int]:
    vit = VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=1
    )
    vit.heads = nn.Identity()
    return vit, 16


NAMES = ["SimCLR", "Classifier", "CLIP"]


def use_transformers() -> None:
    """Not on import: whoever looks for tests here imports it beside others that want the learners as they were."""
    BUILDERS["small_transformer"] = small_transformer
    for name in NAMES[:2]:
        LEARNERS[name] = partial(LEARNERS[name].func, "small_transformer", **LEARNERS[name].keywords)


class OnCPU(FSDPStrategy):
    """FSDP over processes that have no GPU."""

    def __init__(self) -> None:
        blocks = {EncoderBlock, ResidualAttentionBlock}
        super().__init__(auto_wrap_policy=blocks, process_group_backend="gloo", timeout=timedelta(minutes=2))

    def _setup_model(self, model: nn.Module) -> nn.Module:
        return FullyShardedDataParallel(
            model,
            mixed_precision=self.mixed_precision_config,
            sharding_strategy=self.sharding_strategy,
            device_id=torch.device("cpu"),
            **self.kwargs,
        )


def gathered(module: nn.Module, world_size: int, rank0_only: bool = True) -> Any:
    """As Lightning's, on every process and where the weights are."""
    options = {"offload_to_cpu": False, "rank0_only": False}
    kinds = (FullStateDictConfig(**options), FullOptimStateDictConfig(**options))
    return FullyShardedDataParallel.state_dict_type(module, StateDictType.FULL_STATE_DICT, *kinds)


class Stops(Callback):
    """Ends a run after its first epoch."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.should_stop = True


def built(name: str) -> Learner:
    seed_everything(0, verbose=False)
    learner = make_learner(name)
    # Strong enough that a parameter which is decayed in one strategy alone shows; CLIP decays matrices only.
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9, weight_decay=0.5))
    return learner


def train(job: dict[str, Any], name: str, run: Path, strategy: str, **options: Any) -> None:
    resume = options.pop("ckpt_path", None)
    chosen: Any = OnCPU() if strategy == "fsdp" else strategy
    trainer = make_trainer(run, devices=2, strategy=chosen, accelerator="cpu", **options)
    if job:
        trainer.unlearn(built(name), make_data(), str(run.parents[1] / f"plain {name}/ddp"), ckpt_path=resume, **job)
    else:
        trainer.fit(built(name), datamodule=make_data(), ckpt_path=resume)


def allowed(name: str) -> bool:
    job: dict[str, Any] = {} if name == "plain" else make_method(name)
    return all(part.supports_fsdp for part in [*job.get("plugins", []), *([job["method"]] if job else [])])


METHODS["ContrastiveUnlearning"] = partial(METHODS["ContrastiveUnlearning"].func, stop=False)
ALLOWED = [method for method in ["plain", *METHODS, *PLUGINS] if allowed(method)]


@patch.object(fsdp, "_get_full_state_dict_context", gathered)
def by_two(folder: Path) -> None:
    """Started as two processes: both strategies, and an interrupted run, for every method and learner."""
    for method in ALLOWED:
        for name in NAMES:
            job: Callable[[], dict[str, Any]] = partial(make_method, method) if method != "plain" else dict
            for strategy in ("ddp", "fsdp"):
                train(job(), name, folder / f"{method} {name}" / strategy, strategy)
            broken = folder / f"{method} {name}" / "resumed"
            train(job(), name, broken, "fsdp", callbacks=[Stops()])
            train(job(), name, broken, "fsdp", ckpt_path="last")
    torch.distributed.destroy_process_group()


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-W", "ignore", *TORCHRUN, __file__, place], check=True)
        worst = 0.0
        for run in sorted(Path(place).iterdir()):
            states = [built(run.name.split()[1]) for _ in range(3)]
            for state, kind in zip(states, ("ddp", "fsdp", "resumed"), strict=True):
                load_weights(state, run / kind)
            ddp, *others = (state.state_dict() for state in states)
            errors = [max(float((ddp[key] - other[key]).abs().max()) for key in ddp) for other in others]
            worst = max(worst, *errors)
            sys.stdout.write(f"{run.name:34} {errors[0]:.1e}, resumed {errors[1]:.1e}\n")
        alone = make_data()
        audit = make_trainer(logger=False).audit(states[1], alone, "what was spread", views=2)
        sys.stdout.write(f"{len(ALLOWED)} x {len(NAMES)} jobs, largest difference {worst:.1e}; audited: {audit.name}\n")
    if not worst < 1e-5:
        sys.exit("What is spread over processes does not end as what each has a copy of.")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    use_transformers()
    if "RANK" in os.environ:
        by_two(Path(sys.argv[1]))
    else:
        main()
