import pytest
import torch

from unlearning_pl.functional.divergences import distillation
from unlearning_pl.learners import Learner
from unlearning_pl.methods.teachers import frozen_copy, teacher_logits
from unlearning_pl.types import Batch


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_a_teacher_runs_in_inference_mode_and_its_scores_train_the_student(learner: Learner, batch: Batch) -> None:
    teacher, sample, modes = frozen_copy(learner), batch["retain"], []
    teacher.backbone.register_forward_hook(lambda *_: modes.append(torch.is_inference_mode_enabled()))
    scores = teacher_logits(teacher, sample)
    assert modes == [True]
    assert not scores.is_inference()
    torch.testing.assert_close(scores, learner.logits(learner.outputs(sample)).detach(), rtol=0, atol=0)
    distillation(learner.logits(learner.outputs(sample)) * 2, scores, temperature=2.0).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in learner.backbone.parameters())
