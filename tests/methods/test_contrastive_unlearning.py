import math
from pathlib import Path

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import ContrastiveUnlearning
from unlearning_pl.types import Batch


def pulled(anchor: list[float], own: loops.Rows, others: loops.Rows, temperature: float) -> float:
    if not own or not others:
        return 0.0
    away = sum(math.exp(loops.cosine(anchor, p) / temperature) for p in own)
    terms = [math.log(math.exp(loops.cosine(anchor, a) / temperature) / away) for a in others]
    return -sum(terms) / len(others)


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops_with_labels(learner: Learner, batch: Batch) -> None:
    retain, forget = batch["retain"], batch["forget"]
    retain = retain._replace(target=torch.tensor([0, 1, 0, 2, 0]))
    forget = forget._replace(target=torch.tensor([0, 2, 7]))  # nobody else is of class 7
    kept, gone = (loops.rows(learner.features(sample.views[0])) for sample in (retain, forget))
    classes = retain.target.tolist()
    contrast = loops.mean(
        [
            pulled(
                z,
                [k for k, c in zip(kept, classes, strict=True) if c == y],
                [k for k, c in zip(kept, classes, strict=True) if c != y],
                0.5,
            )
            for z, y in zip(gone, forget.target.tolist(), strict=True)
        ]
    )
    loss = ContrastiveUnlearning(0.3, 0.5).objective(learner, {"retain": retain, "forget": forget})
    expected = loops.mean(loops.losses(learner, retain)) + 0.3 * contrast
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "CLIP"], indirect=True)
def test_equals_the_formula_in_plain_loops_without_labels(learner: Learner, batch: Batch) -> None:
    retain, forget = batch["retain"], batch["forget"]
    kept, gone, twins = (loops.rows(learner.embed(v)) for v in (retain.views[0], *forget.views))
    contrast = loops.mean([pulled(z, [twin], kept, 0.5) for z, twin in zip(gone, twins, strict=True)])
    expected = loops.mean(loops.losses(learner, retain)) + 0.3 * contrast
    for target in (forget.target, (forget.target + 1) % 10):  # labels are not looked at
        relabelled = {"retain": retain, "forget": forget._replace(target=target)}
        method = ContrastiveUnlearning(0.3, 0.5)
        method.prepare(learner, make_data())
        loss = method.objective(learner, relabelled)
        assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["SimCLR", "Classifier"])
@pytest.mark.parametrize(("forget", "held_out", "epochs"), [(0.4, 0.5, 1), (0.5, 0.5, 1), (0.6, 0.5, 3)])
def test_ends_after_the_epoch_in_which_forget_images_are_no_better_known(
    name: str, forget: float, held_out: float, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner(name), datamodule=make_data())
    found = iter([forget, held_out] * 3)
    module = "unlearning_pl.methods.contrastive_unlearning.shared_mean"
    monkeypatch.setattr(module, lambda *_: torch.tensor(next(found)))
    trainer = make_trainer(tmp_path / "run", max_epochs=3)
    original = str(tmp_path / "original")
    trainer.unlearn(make_learner(name), make_data(), original, ContrastiveUnlearning())
    assert trainer.current_epoch == epochs
    resumed = make_trainer(tmp_path / "run", max_epochs=3)
    resumed.unlearn(make_learner(name), make_data(), original, ContrastiveUnlearning(), ckpt_path="last")
    assert resumed.global_step == trainer.global_step  # what has stopped stays stopped


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        ContrastiveUnlearning(**wrong)
