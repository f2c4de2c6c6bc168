from types import SimpleNamespace

import loops
import pytest
import torch

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.methods import BadTeacher
from unlearning_pl.methods.teachers import random_copy
from unlearning_pl.types import Batch, concat_streams


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    method = BadTeacher(temperature=2.0)
    method.prepare(learner, SimpleNamespace(trainer=None))
    with torch.no_grad():
        for weight in learner.parameters():
            weight.add_(0.2 * torch.randn_like(weight) * weight.std(correction=0))
    sample, forget = concat_streams(batch)
    found, good, bad = (loops.logits(model, sample) for model in (learner, method.good, method.bad))
    expected = []
    for i, gone in enumerate(forget.tolist()):
        p, q = (loops.softmax([x / 2.0 for x in scores]) for scores in ((bad if gone else good)[i], found[i]))
        expected.append(4.0 * loops.kl(p, q))
    assert min(expected) > 0
    assert method.objective(learner, batch).item() == pytest.approx(loops.mean(expected), abs=1e-6)


@pytest.mark.parametrize("backbone", ["resnet9_slim", "vit_tiny"])
def test_the_random_teacher_has_learned_nothing_and_is_the_same_everywhere(backbone: str) -> None:
    learner = Classifier(backbone)
    with torch.no_grad():
        for tensor in learner.state_dict().values():
            tensor.fill_(7)  # no trace of it may be left
    torch.rand(3)
    first, second, other = (random_copy(learner, seed) for seed in (0, 0, 1))
    drawn = [name for name, weight in first.named_parameters() if weight.dim() > 1]
    assert all(not torch.equal(first.state_dict()[name], other.state_dict()[name]) for name in drawn)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
        assert (value != 7).all(), name
    assert not any(p.requires_grad for p in first.parameters())


def test_drawing_it_leaves_the_random_state_alone(learner: Learner) -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    random_copy(learner, seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_wrong_settings_are_told() -> None:
    with pytest.raises(InputError, match="temperature > 0, got 0"):
        BadTeacher(temperature=0)
