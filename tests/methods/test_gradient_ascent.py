import torch

from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods import GradientAscent
from unlearning_pl.types import Batch


def test_a_step_raises_the_forget_loss(learner: Learner, batch: Batch) -> None:
    fed = {"forget": batch["forget"]}
    method = GradientAscent()
    before = mean_loss(learner, fed)
    loss = method.objective(learner, fed)
    assert method.feed == ("forget",)
    torch.testing.assert_close(loss, -before)
    loss.backward()
    with torch.no_grad():
        for p in learner.parameters():
            if p.grad is not None:
                p -= 1e-3 * p.grad
    assert mean_loss(learner, fed) > before
