"""A classifier that does not know its own training images is doubted before it unlearns any."""

import pytest
import torch
import torch.nn.functional as F
from tiny import make_data, make_learner

from unlearning_pl.data import ForgetRequest
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.forgetting.original_check import doubt_original


@pytest.mark.parametrize(("right", "doubted"), [(0.6, False), (0.5, False), (0.4, True)])
def test_a_classifier_that_gets_less_than_half_is_doubted(
    right: float, doubted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data()
    names = [data.ids[row] for row in data.positions("train").tolist()]
    data.request(ForgetRequest(ids=names[20:]))  # 20 images are retained
    learner = make_learner("Classifier")
    truth = data.samples_at(data.positions("retain"), SamplePlan.embedding(InputSpec.of(learner), 0, seed=0)).target
    wrong = torch.arange(20) >= 20 * right
    monkeypatch.setattr(learner, "classify", lambda features: F.one_hot((truth + wrong) % 10, 10))
    doubt = doubt_original(learner, data)
    assert (doubt is not None) == doubted
    if doubt is not None:
        assert doubt.startswith(
            "Check: the original gets 40 % of 20 of its own training images right, and chance is 10 %"
        )


def test_images_of_all_classes_are_asked() -> None:
    """Ids of a folder are in the order of its classes."""
    data, learner = make_data(), make_learner("Classifier")
    asked: list[torch.Tensor] = []
    samples_at = data.samples_at

    def sees(index: torch.Tensor, plan: SamplePlan) -> object:
        asked.append(index)
        return samples_at(index, plan)

    data.samples_at = sees  # type: ignore[method-assign, assignment]
    assert doubt_original(learner, data) is not None  # it was never trained
    retained = data.positions("retain")
    assert {int(asked[0][0]), int(asked[0][-1])} == {int(retained[0]), int(retained[-1])}


@pytest.mark.parametrize("name", ["SimCLR", "CLIP"])
def test_a_model_without_class_scores_is_not(name: str) -> None:
    assert doubt_original(make_learner(name), make_data()) is None
