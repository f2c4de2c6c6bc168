from pathlib import Path

import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import SSD
from unlearning_pl.methods.weight_gradients import squared_gradients, trainable_parameters
from unlearning_pl.types import Batch, Sample


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
def test_equals_the_formula_weight_by_weight(learner: Learner, batch: Batch) -> None:
    before = {name: weight.detach().clone() for name, weight in trainable_parameters(learner).items()}
    fisher = {split: by_hand(learner, [batch[split]]) for split in batch}
    SSD(selection=1.1, dampening=0.9, rows=1).measure(learner, {split: [sample] for split, sample in batch.items()})
    shrunk = 0
    for name, weight in trainable_parameters(learner).items():
        forget = fisher["forget"][name].flatten().tolist()
        # D is retain and forget together: five and three samples
        train = ((5 * fisher["retain"][name] + 3 * fisher["forget"][name]) / 8).flatten().tolist()
        pairs = zip(before[name].flatten().tolist(), weight.flatten().tolist(), forget, train, strict=True)
        for old, new, f, d in pairs:
            expected = old * min(0.9 * d / f, 1.0) if f > 1.1 * d else old
            shrunk += expected != old
            assert new == pytest.approx(expected, abs=1e-9)
    assert shrunk > 100


def by_hand(learner: Learner, samples: list[Sample]) -> dict[str, torch.Tensor]:
    """Mean over single samples of the squared gradient."""
    total = {name: torch.zeros_like(weight) for name, weight in trainable_parameters(learner).items()}
    count = 0
    for sample in samples:
        for row in range(len(sample.index)):
            learner.zero_grad()
            scores = learner.class_scores(sample.views[0][row : row + 1])
            torch.nn.functional.cross_entropy(scores, sample.target[row : row + 1]).backward()
            for name, weight in trainable_parameters(learner).items():
                total[name] += weight.grad**2
            count += 1
    learner.zero_grad()
    return {name: value / count for name, value in total.items()}


@pytest.mark.parametrize("learner", ["SimCLR", "Classifier"], indirect=True)
def test_without_forget_samples_nothing_changes(learner: Learner, batch: Batch) -> None:
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    with pytest.warns(UserWarning, match=r"shrank no weight with selection = 0\.1"):
        SSD(selection=0.1).measure(learner, {"retain": [batch["retain"]], "forget": []})
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


@pytest.mark.parametrize("learner", ["SimCLR"], indirect=True)
def test_groups_are_batches_of_their_own(learner: Learner, batch: Batch) -> None:
    sample = batch["retain"]
    expected = {name: torch.zeros_like(weight) for name, weight in trainable_parameters(learner).items()}
    for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
        group = Sample(tuple(view[part] for view in sample.views), sample.target[part], sample.index[part])
        learner.zero_grad()
        learner.losses(learner.outputs(group), group).mean().backward()
        for name, weight in trainable_parameters(learner).items():
            expected[name] += weight.grad**2 / 3
    learner.zero_grad()
    found = squared_gradients(learner, [sample], rows=2)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_takes_no_step_and_a_resumed_run_shrinks_nothing_again(tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    first, again = make_learner("Classifier"), make_learner("Classifier")
    original = torch.load(tmp_path / "original/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    trainer = make_trainer(tmp_path / "run")
    trainer.unlearn(first, make_data(), str(tmp_path / "original"), SSD(selection=1.0))
    resumed = make_trainer(tmp_path / "run", max_epochs=5)
    resumed.unlearn(again, make_data(), str(tmp_path / "original"), SSD(selection=1.0), ckpt_path="last")
    assert trainer.global_step == resumed.global_step == 0
    assert any(not torch.equal(first.state_dict()[name], original[name]) for name in original)
    assert all(torch.equal(first.state_dict()[name], again.state_dict()[name]) for name in original)


@pytest.mark.parametrize("wrong", [{"selection": 0.0}, {"dampening": 0.0}, {"rows": 0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        SSD(**wrong)
