"""Methods with one another, in their variants, and with settings that the contract test does not meet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer
from torch import nn

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Classifier, mean_loss
from unlearning_pl.methods import (
    SCRUB,
    SSD,
    AlignmentCalibration,
    CoUn,
    FineTune,
    GradientAscent,
    GradientPenalty,
    HeldOutCalibration,
    L1Sparse,
    PlugIn,
    SalUn,
    Unlearner,
)

VARIANTS: dict[str, Callable[[], Unlearner]] = {
    "partners of the data set, three views": lambda: AlignmentCalibration(partner="dataset", views=3),
    "partners of the batch, three views": lambda: AlignmentCalibration(views=3),
    "interpolations": lambda: GradientPenalty(wrt="interpolations"),
    "embeddings": lambda: GradientPenalty(wrt="embeddings"),
    "similarity": lambda: GradientPenalty(target=0.0, score="similarity"),
}


@pytest.mark.parametrize(
    ("precision", "name", "variant"),
    [  # every two of precision, learner and variant meet without the slow ones
        pytest.param(precision, name, variant, marks=pytest.mark.slow if (i + j + k) % 2 else ())
        for i, precision in enumerate(["32-true", "bf16-mixed"])
        for j, name in enumerate(["SimCLR", "Classifier"])
        for k, variant in enumerate(VARIANTS)
    ],
)
def test_variants_resume_to_the_same_weights(
    variant: str, name: str, precision: str, originals: dict[str, Path], tmp_path: Path
) -> None:
    ends = []
    for epochs in ([3], [1, 3]):
        for step, max_epochs in enumerate(epochs):
            learner = make_learner(name)
            trainer = make_trainer(tmp_path / str(len(epochs)), max_epochs=max_epochs, precision=precision)
            resume = "last" if step else None
            trainer.unlearn(learner, make_data(), str(originals[name]), VARIANTS[variant](), ckpt_path=resume)
        ends.append(learner.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    assert all(torch.isfinite(value).all() for value in ends[0].values())


@pytest.mark.parametrize("method", [SalUn, GradientAscent, GradientPenalty, AlignmentCalibration, HeldOutCalibration])
def test_plug_ins_stack_on_methods_and_on_one_another(method: type[Unlearner], originals: dict[str, Path]) -> None:
    learner, trainer = make_learner("Classifier"), make_trainer()
    plugins = [CoUn(projection_dim=8), L1Sparse()]
    trainer.unlearn(learner, make_data(), str(originals["Classifier"]), method(), plugins)
    assert set(learner.state_dict()) == set(make_learner("Classifier").state_dict())
    assert {"train/retain_contrast", "train/loss"} <= set(trainer.callback_metrics)
    assert learner.objective is mean_loss


def test_salun_holds_its_weights_under_a_plug_in(originals: dict[str, Path]) -> None:
    before = torch.load(originals["Classifier"] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learner, method = make_learner("Classifier"), SalUn(share=0.3)
    make_trainer().unlearn(learner, make_data(), str(originals["Classifier"]), method, [CoUn(projection_dim=8)])
    assert not any(name.startswith("auxiliary_modules") for name in method.selected)
    for name, mask in method.selected.items():
        assert not ((learner.state_dict()[name] != before[name]) & ~mask).any()


def test_a_checkpoint_of_a_discarded_head_loads_without_the_method(originals: dict[str, Path], tmp_path: Path) -> None:
    trainer, learner = make_trainer(tmp_path / "run", max_epochs=1), make_learner("Classifier")
    trainer.unlearn(learner, make_data(), str(originals["Classifier"]), CoUn(projection_dim=8))
    loaded = Classifier.load_from_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    assert all(torch.equal(value, learner.state_dict()[name]) for name, value in loaded.state_dict().items())


class Frozen(LightningModule):
    """Somebody's module that keeps its encoder in evaluation mode."""

    num_views = 1

    def __init__(self) -> None:
        super().__init__()
        inner = make_learner("Classifier")
        self.encoder, self.head = inner.backbone.eval(), nn.Linear(inner.feature_dim, 10)
        self.objective = mean_loss

    def outputs(self, sample: Any) -> torch.Tensor:
        return self.head(self.encoder(sample.views[0]))

    def losses(self, outputs: torch.Tensor, sample: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, sample.target, reduction="none")

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        assert self.head.training
        assert not any(module.training for module in self.encoder.modules())
        return self.objective(self, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.head.parameters(), lr=0.01)


QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


@pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader`", "ignore:Found .* module.* in eval mode")
def test_layers_that_are_frozen_stay_so() -> None:
    module = Frozen()
    for part in module.modules():
        part.training = part is module or part is module.head
    Trainer(accelerator="cpu", max_epochs=1, limit_val_batches=0, callbacks=[FineTune()], **QUIET).fit(
        module, datamodule=make_data(validation=0.0)
    )


def test_a_plug_in_before_its_method_is_refused() -> None:
    trainer = Trainer(accelerator="cpu", max_epochs=1, limit_val_batches=0, callbacks=[CoUn(), FineTune()], **QUIET)
    with pytest.raises(InputError, match="one method, before its plug-ins, got FineTune"):
        trainer.fit(make_learner("Classifier"), datamodule=make_data())


def test_the_trainers_own_reloading_is_put_back() -> None:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_val_batches=0,
        reload_dataloaders_every_n_epochs=5,
        callbacks=[SCRUB(max_epochs=1)],
        **QUIET,
    )
    trainer.fit(make_learner("Classifier"), datamodule=make_data())
    assert trainer.reload_dataloaders_every_n_epochs == 5


@pytest.mark.parametrize("option", ["min_epochs", "min_steps"])
def test_a_method_without_steps_refuses_a_least_number_of_them(option: str, originals: dict[str, Path]) -> None:
    trainer = make_trainer(**{option: 1})
    with pytest.raises(InputError, match="min_epochs and min_steps with SSD, which takes no step"):
        trainer.unlearn(make_learner("Classifier"), make_data(), str(originals["Classifier"]), SSD())


def test_a_selection_that_nothing_can_reach_is_refused(originals: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"selection < 5\.4 = size of D / size of F, got 6"):
        make_trainer().unlearn(
            make_learner("Classifier"), make_data(), str(originals["Classifier"]), SSD(selection=6.0)
        )


def test_the_norm_that_fades_out_refuses_another_number_of_epochs(originals: dict[str, Path], tmp_path: Path) -> None:
    original, learner = str(originals["Classifier"]), make_learner("Classifier")
    make_trainer(tmp_path / "run", max_epochs=2).unlearn(learner, make_data(), original, L1Sparse())
    with pytest.raises(InputError, match="max_epochs = 2 as before when resuming with L1Sparse, got 4"):
        make_trainer(tmp_path / "run", max_epochs=4).unlearn(
            make_learner("Classifier"), make_data(), original, L1Sparse(), ckpt_path="last"
        )


@pytest.mark.parametrize(("method", "plugins"), [(Unlearner(), []), (PlugIn(), []), (FineTune(), [PlugIn()])])
def test_what_methods_are_made_of_is_no_method(
    method: Unlearner, plugins: list[PlugIn], originals: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match=r"Expected a method, got the base class (Unlearner|PlugIn)"):
        make_trainer().unlearn(make_learner("Classifier"), make_data(), str(originals["Classifier"]), method, plugins)


def test_half_precision_weights_are_refused(originals: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="precision 32-true, bf16-mixed or 16-mixed, got bf16-true"):
        make_trainer(precision="bf16-true").unlearn(
            make_learner("Classifier"), make_data(), str(originals["Classifier"]), FineTune()
        )
