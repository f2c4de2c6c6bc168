import math

import loops
import torch
from torch import Tensor

from unlearning_pl.functional.layer_selection import layers_on_the_front


def norm(tensor: Tensor) -> float:
    return math.sqrt(sum(value**2 for value in tensor.flatten().tolist()))


def test_equals_plain_loops_over_layers() -> None:
    names = [f"layer{i}" for i in range(12)]
    weights, forget, retain = ({name: torch.randn(3, 4).double() for name in names} for _ in range(3))
    forget["layer3"] *= 0.0
    weights["layer5"] *= 0.0
    points = {
        name: (
            norm(forget[name]) / norm(weights[name]),
            abs(loops.cosine(forget[name].flatten().tolist(), retain[name].flatten().tolist())),
        )
        for name in names
        if name not in ("layer3", "layer5")
    }
    expected = [
        name for name, (size, angle) in points.items() if not any(s > size and a < angle for s, a in points.values())
    ]
    assert 1 < len(expected) < 10
    assert layers_on_the_front(names, weights, forget, retain) == expected
    assert layers_on_the_front(["layer3", "layer5"], weights, forget, retain) == []
