"""Kills a run twenty times at random steps, resumes it each time by its own command, and compares with an unbroken one.

    python tests/distributed/killed.py [--kills 20] [--seed 0]

Each start is the command itself in a process of its own; SIGKILL comes in the middle of a step, or while its checkpoint
is being written. It exits with 1 if a weight differs in a single bit.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from unlearning_pl import io
from unlearning_pl.commands.main import main
from unlearning_pl.learners import Learner

DATA = "--data.source Digits --data.source.train_size 200 --data.source.image_size 8 --data.batch_size 20"
TRAINER = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.checkpoint_minutes 0"
FIT = f"fit --model MoCo --model.backbone resnet9_slim --model.queue_size 64 {DATA} {TRAINER} --trainer.max_epochs 12"
UNLEARN = f"unlearn --method AlignmentCalibration --forget.count 40 {TRAINER} --trainer.max_epochs 12"


def start(words: str, prepare: Callable[[], None] = lambda: None) -> int:
    """Run a command in a copy of this process; its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        torch.set_num_threads(1)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        prepare()
        os._exit(main(words.split()))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_at(step: int, writing: bool) -> None:
    """Have this process killed in its ``step``-th step, or in the middle of writing the checkpoint behind it."""
    train, left = Learner.training_step, [step]
    replace = os.replace

    def doomed(learner: Learner, *args: object) -> torch.Tensor:
        loss = train(learner, *args)  # type: ignore[arg-type]
        left[0] -= 1
        if left[0] == 0 and not writing:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    def half(source: str, target: Path) -> None:
        if left[0] <= 0 and str(target).endswith(".ckpt"):
            os.truncate(source, 1000)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    Learner.training_step = doomed  # type: ignore[method-assign]
    io.os.replace = half  # type: ignore[attr-defined, assignment]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return state


def survives(folder: Path, name: str, words: str, kills: int) -> bool:
    """Whether the run ends with the weights of an unbroken one."""
    if start(f"{words} --run {folder}/{name}_unbroken") != 0:
        return False
    again, taken = f"{words} --run {folder}/{name}_killed --ckpt_path auto", []
    for _ in range(kills):
        step, writing = random.randint(2, 5), random.random() < 0.3
        if start(again, lambda step=step, writing=writing: kill_at(step, writing)) != -signal.SIGKILL:  # type: ignore[misc]
            return False
        taken.append(f"{step}{'w' if writing else ''}")
    ended = start(again)
    ours, theirs = weights(folder / f"{name}_killed"), weights(folder / f"{name}_unbroken")
    equal = ended == 0 and all(torch.equal(ours[key], theirs[key]) for key in theirs)
    print(f"{name}: killed {kills} times, at steps {' '.join(taken)} of each start: {'PASS' if equal else 'FAIL'}")
    return equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "fit_unbroken"
        sound = survives(Path(folder), "fit", FIT, options.kills)
        sound = sound and survives(Path(folder), "unlearn", f"{UNLEARN} --original {original}", options.kills)
    sys.exit(0 if sound else 1)
