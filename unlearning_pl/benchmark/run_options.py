"""Options of a run that its plan decides, from its command."""

import shlex

_OWN = ("--run", "--original", "--seed_everything", "--forget.seed", "--data.forget.seed", "--ckpt_path")


def plan_options(command: str) -> list[str]:
    """Words of a command without folder, seeds and checkpoint, which differ from seed to seed of one plan.

    Example:
        >>> plan_options("unlearning-pl fit --run a/seed0/x --model SimCLR --seed_everything 0 --overwrite")
        ['unlearning-pl', 'fit', '--model', 'SimCLR', '--overwrite']
    """
    words = shlex.split(command)
    own = {place + step for place, word in enumerate(words) if word in _OWN for step in (0, 1)}
    return [word for place, word in enumerate(words) if place not in own]
