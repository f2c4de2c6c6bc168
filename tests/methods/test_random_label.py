from types import SimpleNamespace

import loops
import pytest
import torch

from unlearning_pl.learners import Learner
from unlearning_pl.methods import RandomLabel
from unlearning_pl.types import Batch, concat_streams


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch, splits: SimpleNamespace) -> None:
    method = RandomLabel()
    method.prepare(learner, splits)
    torch.manual_seed(3)
    loss = method.objective(learner, batch)
    torch.manual_seed(3)
    broken = learner.corrupt_targets(batch["forget"])
    sample, _ = concat_streams({"retain": batch["retain"], "forget": broken})
    assert loss.item() == pytest.approx(loops.mean(loops.losses(learner, sample)), abs=1e-6)


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_no_forget_sample_keeps_what_was_learned_about_it(learner: Learner, batch: Batch) -> None:
    before = batch["forget"]
    for seed in range(50):
        torch.manual_seed(seed)
        after = learner.corrupt_targets(before)
        if learner.num_views == 1:
            assert (after.target != before.target).all()
            assert after.target.min() >= 0
            assert after.target.max() < 10
        else:
            assert torch.equal(after.views[0], before.views[0])
            found = {row for row in range(3) for j in range(3) if torch.equal(after.views[1][row], before.views[1][j])}
            assert found == {0, 1, 2}
            assert (after.views[1] != before.views[1]).flatten(1).any(1).all()


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL"], indirect=True)
def test_a_lone_image_is_mismatched_with_a_retained_one(
    learner: Learner, batch: Batch, splits: SimpleNamespace
) -> None:
    one = {"retain": batch["retain"].take(slice(1)), "forget": batch["forget"].take(slice(1))}
    splits.positions = {"retain": torch.arange(10, 40), "forget": torch.arange(5, 6)}.__getitem__
    method = RandomLabel()
    with pytest.warns(UserWarning, match="There is one image to forget: retained images are their partners"):
        method.prepare(learner, splits)
    joint, _ = concat_streams(one)
    mismatched = joint._replace(views=(joint.views[0], joint.views[1][[0, 0]]))
    found = float(method.objective(learner, one).detach())
    assert found == pytest.approx(loops.mean(loops.losses(learner, mismatched)), abs=1e-6)
