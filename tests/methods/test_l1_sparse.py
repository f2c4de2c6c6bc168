from types import SimpleNamespace

import pytest
import torch
from tiny import make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import L1Sparse
from unlearning_pl.types import Batch


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
@pytest.mark.parametrize(
    ("decay", "free", "epoch", "factor"),
    [
        *((True, 0, 0, 1.0), (True, 0, 3, 0.7), (True, 4, 3, 0.5), (True, 4, 6, 0.0), (True, 4, 9, 0.0)),
        *((False, 0, 0, 1.0), (False, 0, 9, 1.0), (False, 4, 5, 1.0), (False, 4, 6, 0.0)),
    ],
)
def test_equals_the_formula_in_plain_loops(
    learner: Learner, batch: Batch, decay: bool, free: int, epoch: int, factor: float
) -> None:
    learner.trainer = make_trainer(max_epochs=10)
    learner.trainer.fit_loop.epoch_progress.current.completed = epoch
    method = L1Sparse(weight=0.01, free_epochs=free, decay=decay)
    method.prepare(learner, SimpleNamespace())
    norm = 0.0
    for name, weight in learner.named_parameters():
        if not name.startswith(("key_encoder", "target_encoder")):  # an optimiser does not move them
            norm += sum(abs(w) for w in weight.flatten().tolist())
    assert method.term(learner, batch).item() == pytest.approx(0.01 * factor * norm, abs=1e-6)


def test_every_trained_weight_has_a_gradient_of_one_size(learner: Learner, batch: Batch) -> None:
    learner.trainer = make_trainer(max_epochs=2)
    method = L1Sparse(weight=0.25)
    method.prepare(learner, SimpleNamespace())
    method.term(learner, batch).backward()
    for weight in learner.parameters():
        assert torch.equal(weight.grad, 0.25 * weight.sign())


def test_a_run_without_a_number_of_epochs_is_refused(learner: Learner) -> None:
    learner.trainer = make_trainer(max_epochs=2)
    with pytest.raises(InputError, match="max_epochs above free_epochs = 2, got 2"):
        L1Sparse(free_epochs=2).prepare(learner, SimpleNamespace())


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"free_epochs": -1}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} >= 0, got {next(iter(wrong.values()))}"):
        L1Sparse(**wrong)
