import math

import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch.nn import functional as F

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import CoUn, FineTune, GradientAscent
from unlearning_pl.sample import Batch


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
@pytest.mark.parametrize(("directions", "scale"), [("sum", 1.0), ("mean", 0.5)])
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch, directions: str, scale: float) -> None:
    z, other = (F.normalize(learner.features(view).detach(), dim=1) for view in batch["retain"].views)
    total = 0.0
    for a, b in ((z, other), (other, z)):
        for i in range(5):
            scores = [math.exp(float(a[i] @ b[j]) / 0.5) for j in range(5)]
            total -= math.log(scores[i] / sum(scores)) / 5
    term = CoUn(weight=0.7, temperature=0.5, directions=directions).term(learner, batch)
    assert term.item() == pytest.approx(0.7 * scale * total, abs=1e-5)


def test_adds_to_the_loss_under_it_and_both_views_have_a_gradient(learner: Learner, batch: Batch) -> None:
    plugin = CoUn()
    plugin._inner = FineTune().objective
    only_retain = {"retain": batch["retain"]}
    expected = FineTune().objective(learner, only_retain) + plugin.term(learner, only_retain)
    torch.testing.assert_close(plugin.objective(learner, only_retain), expected)
    views = tuple(view.requires_grad_() for view in batch["retain"].views)
    plugin.term(learner, {"retain": batch["retain"]._replace(views=views)}).backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in views)


def test_a_method_that_feeds_no_retain_samples_is_refused(tmp_path: pytest.TempPathFactory) -> None:
    original = tmp_path / "original"
    make_trainer(original, max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    with pytest.raises(InputError, match="feeds retain under the plug-in CoUn, got one that feeds forget"):
        make_trainer().unlearn(make_learner("Classifier"), make_data(), str(original), GradientAscent(), [CoUn()])


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        CoUn(**wrong)
