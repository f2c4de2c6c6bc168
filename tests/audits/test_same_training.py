"""References that are one training in several files are refused; everything else is not."""

import copy

import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.audits import Audit, compare, compute_audits
from unlearning_pl.audits.same_training import MIN_IMAGES, is_same_training
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.data import ForgetRequest
from unlearning_pl.errors import InputError

COPIES = "Expected retrained models of different trainings, got a and c, which score all images in the same order"


def evidence(seed: int, images: int = 60, **attacks: float) -> Evidence:
    """Scores of one model: those of all models are alike, as they are of one kind, and each has noise of its own."""
    shared = torch.randn(images, generator=torch.Generator().manual_seed(99))
    scores = shared + 0.1 * torch.randn(images, generator=torch.Generator().manual_seed(seed))
    return Evidence(
        {name: (scale * scores[:20], scale * scores[20:]) for name, scale in (attacks or {"mean": 1}).items()}
    )


def audits(**models: Evidence) -> list[Audit]:
    return [Audit(name, {}, {}, torch.zeros(0, 0), evidence=one) for name, one in models.items()]


def rounded(one: Evidence) -> Evidence:
    return Evidence({name: (m.half().float(), o.half().float()) for name, (m, o) in one.attacks.items()})


def test_a_rounded_copy_of_a_reference_is_refused_by_name() -> None:
    known = audits(a=evidence(1), b=evidence(2), c=rounded(evidence(1)))
    with pytest.raises(InputError, match=f"{COPIES}.*Give each once, or train one with another seed"):
        compare(known, retrained=["a", "b", "c"])
    compare(known, retrained=["a", "b"])  # a copy as an ordinary model is told from none


def test_the_rounded_original_is_no_reference() -> None:
    known = audits(before=evidence(1), a=evidence(2), b=rounded(evidence(1)))
    with pytest.raises(
        InputError, match="never saw the forget set, got b, which scores all images in the order of bef"
    ):
        compare(known, "before", ["a", "b"])
    compare(known, "before", ["a"])


def test_a_learned_attack_is_not_asked() -> None:
    """It is fitted on each model, so that the scores of a copy with other last bits differ."""
    one = evidence(1, mean=1, vector=1)
    assert is_same_training(one, Evidence(one.attacks | {"vector": evidence(2).attacks["mean"]}))
    assert is_same_training(one, evidence(1, mean=2))
    assert not is_same_training(one, evidence(2, mean=1, vector=1))
    assert not is_same_training(one, evidence(1, confidence=1))


@pytest.mark.parametrize(("images", "same"), [(MIN_IMAGES - 1, False), (MIN_IMAGES, True)])
def test_few_images_tell_nothing(images: int, same: bool) -> None:
    assert is_same_training(evidence(1, images), evidence(1, images)) is same


def test_constant_scores_have_no_order() -> None:
    """Two broken models, and a server that answers every image alike, are judged as such."""
    alike = Evidence({"mean": (torch.ones(40), torch.ones(40))})
    assert not is_same_training(alike, alike)


@pytest.mark.parametrize("name", ["SimCLR", "Classifier", "CLIP"])
def test_an_export_in_half_precision_is_found_and_another_seed_is_not(name: str) -> None:
    """Of models as they are initialised: trained ones of different seeds differ more."""
    models = {}
    for seed, run in enumerate(("a", "b")):
        torch.manual_seed(seed)
        models[run] = make_learner(name)
    models["c"] = copy.deepcopy(models["a"]).half().float()
    data = make_data(forget=ForgetRequest(count=8), validation=0)
    embedded = make_trainer(logger=False, seed=0).embed(models, data, 2)
    embedded["model"] = embedded["c"]
    assert [audit.name for audit in compute_audits(embedded, retrained=["a", "b"])] == ["a", "b", "c", "model"]
    with pytest.raises(InputError, match=COPIES):
        compute_audits(embedded, retrained=["a", "b", "c"])
