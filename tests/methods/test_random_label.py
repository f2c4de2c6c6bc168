import loops
import pytest
import torch
from tiny import make_rows

from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods import RandomLabel
from unlearning_pl.types import Batch, concat_streams


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    torch.manual_seed(3)
    loss = RandomLabel().objective(learner, batch)
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


def test_a_lone_image_has_nobody_to_be_mismatched_with(learner: Learner, batch: Batch) -> None:
    alone = {"retain": batch["retain"], "forget": make_rows(1, start=5)}
    expected = mean_loss(learner, {"retain": batch["retain"]})
    torch.testing.assert_close(RandomLabel().objective(learner, alone), expected)
