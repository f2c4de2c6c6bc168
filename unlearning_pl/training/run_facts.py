"""What the record of a finished run says of its training."""

from typing import Any

from unlearning_pl.data.seeds import given_seed
from unlearning_pl.report.trackers import tracker_facts
from unlearning_pl.training.held_out_stop import HeldOutStop


def run_facts(trainer: Any) -> dict[str, Any]:
    """Entries of run.json: seconds, command, processes, epochs, steps, seed, origin of the weights, image passes.

    A run that ``--stop`` could end also has ``stop``, see :meth:`HeldOutStop.facts`.

    Args:
        trainer: The :class:`~unlearning_pl.training.trainer.UnlearningTrainer` after its fit.
    """
    watch = trainer.stopwatch
    facts = {"seconds": round(watch.seconds, 3), "command": trainer.command, "processes": trainer.world_size}
    facts |= {"epochs": trainer.current_epoch, "steps": trainer.global_step, "seed": given_seed(trainer)}
    facts |= trainer.provenance | ({} if watch.passes is None else {"passes": watch.passes})
    for callback in trainer.callbacks:
        facts |= callback.facts() if isinstance(callback, HeldOutStop) else {}
    return facts | tracker_facts(trainer.loggers)
