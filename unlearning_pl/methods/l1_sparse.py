"""l1-sparse unlearning."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.methods.plug_in import PlugIn
from unlearning_pl.methods.weight_gradients import trainable_parameters
from unlearning_pl.types import Batch


class L1Sparse(PlugIn):
    r"""l1-sparse: add a decaying L1 norm of the weights to any method; with fine-tuning it is l1-sparse unlearning.

    .. math:: \gamma_e \, \| \theta \|_1, \quad \gamma_e = \gamma \max(0, 1 - e / (E - E_0))

    Jia et al., "Model Sparsity Can Simplify Machine Unlearning", NeurIPS 2023, arXiv 2304.04934. e is the epoch and E
    the number of epochs; the norm sums over all trained parameters, biases and norm layers included, as in the authors'
    code. Without ``decay``, gamma_e is gamma while e < E - E_0, and 0 afterwards; MUC's authors keep it constant
    (arXiv 2406.03603). Reads no stream of its own. Published ranges: gamma 5e-4 in the authors' code, 1e-6 to 1e-3 in
    MUC's scripts, 1e-4 to 0.1 in CoUn's.

    Args:
        weight: gamma, the coefficient of the first epoch, at least 0.
        free_epochs: E_0, the number of final epochs without the norm.
        decay: Whether the coefficient decays linearly.

    Raises:
        InputError: If a number is out of its range, or ``trainer.max_epochs`` is not larger than ``free_epochs``.
    """

    required_streams, supports_fsdp = (), False

    def __init__(self, weight: float = 5e-4, free_epochs: int = 0, decay: bool = True) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. Papers use 1e-6 to 0.1.")
        require(free_epochs >= 0, f"Expected free_epochs >= 0, got {free_epochs}. Give a number of epochs.")
        self.weight, self.free_epochs, self.decay = weight, free_epochs, decay

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        epochs = learner.trainer.max_epochs or 0
        require(
            epochs > self.free_epochs,
            f"Expected trainer.max_epochs above free_epochs = {self.free_epochs}, got {epochs}. Set max_epochs: the "
            "norm ends with an epoch.",
        )
        self.epochs = epochs - self.free_epochs

    @override
    def term(self, learner: Learner, batch: Batch) -> Tensor:
        weights = trainable_parameters(learner).values()
        norm = sum(w.abs().sum(dtype=torch.promote_types(w.dtype, torch.float32)) for w in weights)
        assert isinstance(norm, Tensor)
        remaining = max(0.0, 1 - learner.current_epoch / self.epochs)
        return self.weight * (remaining if self.decay else float(remaining > 0)) * norm

    @override
    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"epochs": self.epochs}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        saved = state_dict["epochs"] + self.free_epochs
        require(
            self.epochs == state_dict["epochs"],
            f"Expected trainer.max_epochs = {saved} as before when resuming with L1Sparse, got "
            f"{self.epochs + self.free_epochs}. Set the same value: the norm decays over all epochs.",
        )
