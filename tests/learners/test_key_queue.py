"""The key queue takes in keys, and omits those that it is told to."""

import torch
from torch.nn import functional as F

from unlearning_pl.learners.key_queue import KeyQueue


def test_keys_to_skip_take_no_place() -> None:
    queue, keys = KeyQueue(5, 3), F.normalize(torch.randn(4, 3), dim=1)
    before = queue.keys
    queue.enqueue(keys, torch.tensor([True, False, True, False]))
    assert torch.equal(queue.keys, torch.cat([keys[[1, 3]], before[:3]]))


def test_a_step_of_such_keys_changes_nothing() -> None:
    queue = KeyQueue(3, 3)
    before = queue.keys
    queue.enqueue(torch.randn(8, 3), torch.ones(8, dtype=torch.bool))
    assert torch.equal(queue.keys, before)


def test_without_any_it_is_the_plain_queue() -> None:
    plain, masked, keys = KeyQueue(5, 3), KeyQueue(5, 3), torch.randn(4, 3)
    masked.load_state_dict(plain.state_dict())
    plain.enqueue(keys)
    masked.enqueue(keys, torch.zeros(4, dtype=torch.bool))
    assert torch.equal(plain.keys, masked.keys)
