from pathlib import Path
from types import SimpleNamespace

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import SCRUB
from unlearning_pl.types import Batch, Sample


def student_and_teacher(learner: Learner, method: SCRUB) -> Learner:
    """Move the student away; returns an untouched original."""
    learner.trainer = make_trainer(max_epochs=13)
    method.prepare(learner, SimpleNamespace())
    original = method.teacher
    with torch.no_grad():
        for weight in learner.parameters():
            weight.add_(torch.randn_like(weight) * weight.std(correction=0))
    return original


def distance(student: Learner, teacher: Learner, sample: Sample, t: float) -> float:
    found, wanted = loops.logits(student, sample), loops.logits(teacher, sample)
    return loops.mean(
        [
            t * t * loops.kl(loops.softmax([x / t for x in p]), loops.softmax([x / t for x in q]))
            for q, p in zip(found, wanted, strict=True)
        ]
    )


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_both_turns_equal_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    method = SCRUB(gamma=0.7, alpha=0.3, temperature=3.0)
    teacher = student_and_teacher(learner, method)
    away = method.objective(learner, {"forget": batch["forget"]})
    near = method.objective(learner, {"retain": batch["retain"]})
    expected = distance(learner, teacher, batch["forget"], 3.0)
    assert expected > 1e-3
    assert away.item() == pytest.approx(-expected, abs=1e-6)
    kept = loops.mean(loops.losses(learner, batch["retain"]))
    expected = 0.7 * kept + 0.3 * distance(learner, teacher, batch["retain"], 3.0)
    assert near.item() == pytest.approx(expected, abs=1e-6)


def test_passes_over_forget_come_first_and_in_turns() -> None:
    streams = [SCRUB(max_epochs=2).streams(epoch) for epoch in range(6)]
    assert streams == [("forget",), ("retain",), ("forget",), ("retain",), ("retain",), ("retain",)]


def test_every_epoch_reads_its_stream_whole_and_the_schedule_counts_them_all(tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    fed: list[tuple[str, ...]] = []

    class Spy(SCRUB):
        def objective(self, learner: Learner, batch: Batch) -> torch.Tensor:
            fed.append((*batch, len(next(iter(batch.values())).index)))
            return super().objective(learner, batch)

    learner, trainer = make_learner("Classifier"), make_trainer(max_epochs=4)
    learner.optimize_with(learner.optimizer_settings.factory, "cosine")
    trainer.unlearn(learner, make_data(), str(tmp_path / "original"), Spy(max_epochs=2))
    forget, retain = [("forget", 8)], [("retain", 16)] * 2  # 8 and 35 images in batches of 16
    assert fed == [*forget, *retain, *forget, *retain]
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-9)


def test_rates_and_batches_of_the_authors_are_options(tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    fed: list[tuple[str, int, float]] = []

    class Spy(SCRUB):
        def objective(self, learner: Learner, batch: Batch) -> torch.Tensor:
            (name,) = batch
            fed.append((name, len(batch[name].index), learner.trainer.optimizers[0].param_groups[0]["lr"]))
            return super().objective(learner, batch)

    learner, trainer = make_learner("Classifier"), make_trainer(max_epochs=4)
    learner.optimize_with(learner.optimizer_settings.factory, "multi_step", milestones=[2, 3])
    trainer.unlearn(learner, make_data(), str(tmp_path / "original"), Spy(max_epochs=2, forget_batch_size=4))
    rates = pytest.approx([0.01] * 4 + [0.001] * 2 + [0.0001] * 2)
    assert [step[:2] for step in fed] == [("forget", 4)] * 2 + [("retain", 16)] * 2 + [("forget", 4)] * 2 + [
        ("retain", 16)
    ] * 2
    assert [rate for *_, rate in fed] == rates


def test_the_documented_milestones_are_the_authors_epochs() -> None:
    method, epoch = SCRUB(max_epochs=3), 0
    for number in range(13):
        begins = method.streams(number) == ("forget",) or method.streams(number - 1) != ("forget",) or number == 0
        epoch += begins  # an epoch of theirs: a pass over the forget set, if any, and one over the retain set
        assert sum(epoch > after for after in (5, 8, 9)) == sum(number >= milestone for milestone in (8, 11, 12))
    assert epoch == 10


@pytest.mark.parametrize("method", ["SCRUB", "BadTeacher"])
def test_teachers_never_move_and_are_not_in_the_checkpoint(method: str, tmp_path: Path) -> None:
    from tiny import METHODS

    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("MoCo"), datamodule=make_data())
    unlearner, learner = METHODS[method](), make_learner("MoCo")
    seen = []
    unlearner_prepare = unlearner.prepare

    def prepare(*args: object) -> None:
        unlearner_prepare(*args)
        seen.extend((name, {k: v.clone() for k, v in part.state_dict().items()}) for name, part in teachers(unlearner))

    unlearner.prepare = prepare
    make_trainer(tmp_path / "run").unlearn(learner, make_data(), str(tmp_path / "original"), unlearner)
    assert len(seen) == len(teachers(unlearner)) > 0
    for (name, before), (_, part) in zip(seen, teachers(unlearner), strict=True):
        after = part.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before), name
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert set(saved["state_dict"]) == set(make_learner("MoCo").state_dict())
    assert saved["callbacks"][method] == {"measured": True}
    assert any(not torch.equal(learner.state_dict()[k], seen[0][1][k]) for k in saved["state_dict"])


def teachers(method: object) -> list[tuple[str, torch.nn.Module]]:
    return [(name, part) for name, part in vars(method).items() if isinstance(part, torch.nn.Module)]


@pytest.mark.parametrize(
    "wrong", [{"max_epochs": -1}, {"gamma": -1.0}, {"alpha": -1.0}, {"temperature": 0.0}, {"forget_batch_size": 1}]
)
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        SCRUB(**wrong)
