from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import LEARNERS, make_data, make_learner, make_trainer
from torch.optim import SGD, AdamW

from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import SalUn
from unlearning_pl.methods.weight_gradients import trainable_parameters


@pytest.mark.parametrize(
    ("options", "optimizer", "name"),
    [  # every two of options, optimizer and learner meet without the slow ones
        pytest.param(options, optimizer, name, marks=pytest.mark.slow if (i + j + k) % 2 else ())
        for i, options in enumerate([{}, {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5}])
        for j, optimizer in enumerate([partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.1), partial(AdamW, lr=0.01)])
        for k, name in enumerate(LEARNERS)
    ],
)
def test_weights_outside_the_share_end_bit_for_bit_as_they_began(
    name: str, optimizer: partial[torch.optim.Optimizer], options: dict[str, float], originals: dict[str, Path]
) -> None:
    before = torch.load(originals[name] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learner, method = make_learner(name), SalUn(share=0.3)
    learner.optimize_with(optimizer)
    make_trainer(max_epochs=3, **options).unlearn(learner, make_data(), str(originals[name]), method)
    weights = trainable_parameters(learner)
    moved = {key: weight.detach() != before[key] for key, weight in weights.items()}
    assert sum(int(mask.sum()) for mask in method.selected.values()) == round(
        0.3 * sum(weight.numel() for weight in weights.values())
    )
    assert not any((moved[key] & ~method.selected[key]).any() for key in moved)
    chosen = sum(int((moved[key] & method.selected[key]).sum()) for key in moved)
    assert chosen > 0.5 * sum(int(mask.sum()) for mask in method.selected.values())


def test_the_share_has_the_largest_gradients_of_the_forget_loss(originals: dict[str, Path]) -> None:
    learner, data, method = make_learner("Classifier"), make_data(), SalUn(share=0.1)
    make_trainer(max_epochs=1).unlearn(learner, data, str(originals["Classifier"]), method)
    original = make_learner("Classifier").eval()
    original.load_state_dict(torch.load(originals["Classifier"] / "checkpoints/last.ckpt")["state_dict"])
    plan = SamplePlan.training(InputSpec.of(original), seed=0)  # views as in training, drawn as they were measured
    (samples,) = data.samples(("forget",), plan, torch.device("cpu")).values()
    for sample in samples:
        torch.nn.functional.cross_entropy(original.class_scores(sample.views[0]), sample.target).backward()
    scores = {name: weight.grad.abs() for name, weight in trainable_parameters(original).items()}
    least = min(float(scores[name][mask].min()) for name, mask in method.selected.items() if mask.any())
    most = max(float(scores[name][~mask].max()) for name, mask in method.selected.items() if not mask.all())
    assert least >= most > 0


def test_what_was_selected_is_in_the_checkpoint(originals: dict[str, Path], tmp_path: Path) -> None:
    method = SalUn()
    make_trainer(tmp_path / "run", max_epochs=1).unlearn(
        make_learner("Classifier"), make_data(), str(originals["Classifier"]), method
    )
    callbacks = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["callbacks"]
    kept = callbacks["SalUn"]["selected"]
    assert all(torch.equal(kept[name], mask) for name, mask in method.selected.items())


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_wrong_settings_are_told(share: float, learner: Learner) -> None:
    with pytest.raises(InputError, match=f"share above 0 and at most 1, got {share}"):
        SalUn(share)
