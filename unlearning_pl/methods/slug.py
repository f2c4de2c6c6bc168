"""SLUG: single layer unlearning gradient."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.layer_selection import layers_on_the_front
from unlearning_pl.functional.step_search import smallest_sufficient_step
from unlearning_pl.learners import Learner
from unlearning_pl.methods.partners import target_kind
from unlearning_pl.methods.shared_means import shared_mean, success, training_losses
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_gradients import summed_gradients, trainable_parameters
from unlearning_pl.types import Sample, Split

NOT_LAYERS = ("bias", "embedding", "pos_embed", "position", "logit_scale", "projection_head", "prediction_head")


class SLUG(Unlearner):
    r"""SLUG: one step along one gradient in a single layer, as long as forgetting needs; no training.

    .. math:: \theta_l \leftarrow \theta_l + \lambda \, g^F_l, \quad g^F = \frac{\partial}{\partial \theta} \sum_F l^F_i

    Cai, Tan and Asif, "Targeted Unlearning with Single Layer Unlearning Gradient", ICML 2025, arXiv 2407.11867; made
    for CLIP. l^F is one minus the cosine of the pair, and for a classifier, which the authors' code does not have, the
    cross-entropy (our reading). A layer is a tensor of weights; biases, embeddings and the scale of the similarities
    are left out, as in the authors' code, and heads that are discarded after training, whose change the features do not
    show. Those on the Pareto front of importance and alignment
    (:func:`~unlearning_pl.functional.layer_selection.layers_on_the_front`) are tried, each with ten lengths: from a
    tenth of |theta_l| / |g_l| the step doubles until images are forgotten, then it is bisected. Of the layers in which
    a step was enough, the one that leaves the lowest loss of retain samples is changed.

    Deviations: the authors have a front for each tower and choose one of its layers by hand; gradients are those of the
    evaluation mode, theirs of the training mode. Their images are forgotten at a zero-shot accuracy of 0 (``target:
    0``), which suits a person or a class and not a sample of images; by default they are forgotten here when the
    learner does no better on them than on held-out ones, by accuracy for a classifier and by the mean alignment
    otherwise. Reads the retain and the forget set for the gradients, then for each layer the forget set ten times and
    the retain set at most once. The optimiser and the number of epochs have no effect.

    Args:
        target: What the accuracy, from 0 to 1, or the mean alignment of forget images must not exceed, or ``held_out``
            for that of held-out images.
        tries: Number of step lengths of a layer's search, at least 1.

    Raises:
        InputError: If a number is out of its range, or there are no held-out images for ``target: held_out``.
    """

    takes_steps, supports_fsdp = False, False
    required_methods = ("class_scores", "alignment")

    def __init__(self, target: float | Literal["held_out"] = "held_out", tries: int = 10) -> None:
        valid = target == "held_out" or (not isinstance(target, str) and -1 <= target <= 1)
        require(valid, f"Expected target from -1 to 1 or held_out, got {target}. The authors use an accuracy of 0.")
        require(tries >= 1, f"Expected tries >= 1, got {tries}. The authors use 10.")
        self.target, self.tries = target, tries

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        require(
            self.target != "held_out" or len(data.positions("validation")) > 0,
            "Expected held-out images for SLUG, got none. Train the original with --data.validation 0.1, or give "
            "--method.target 0.",
        )

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        weights, strategy = trainable_parameters(learner), learner.trainer.strategy
        forget = summed_gradients(learner, streams["forget"], _forget_losses)
        retain = summed_gradients(learner, streams["retain"])
        names = [name for name in weights if not any(part in name for part in NOT_LAYERS)]
        limit, found = self._limit(learner), list[tuple[float, str, float]]()
        for name in strategy.broadcast(layers_on_the_front(names, weights, forget, retain)):
            before = weights[name].detach().clone()
            step = self._search(learner, streams["forget"], limit, weights[name], forget[name])
            if step is not None:
                _move(weights[name], before, forget[name], step)
                loss = float(shared_mean(learner, streams["retain"], training_losses))
                found += [(loss, name, step)] if isfinite(loss) else []
            _move(weights[name], before, forget[name], 0.0)
        if not found:
            rank_zero_warn("SLUG changed no weight: no step in a layer forgets enough. Raise method.target or tries.")
            return
        _, name, step = strategy.broadcast(min(found))
        _move(weights[name], weights[name].detach().clone(), forget[name], step)

    def _limit(self, learner: Learner) -> float:
        if self.target != "held_out":
            return float(self.target)
        (held_out,) = self.shared_samples(learner.trainer, learner, ("validation",)).values()
        return float(shared_mean(learner, held_out, success))

    def _search(
        self, learner: Learner, samples: Iterable[Sample], limit: float, weight: Tensor, gradient: Tensor
    ) -> float | None:
        """The smallest step along the gradient after which images are forgotten; leaves the weight changed."""
        before = weight.detach().clone()

        def forgets(step: float) -> bool:
            _move(weight, before, gradient, step)
            forgotten = bool(shared_mean(learner, samples, success) <= limit)
            return learner.trainer.strategy.reduce_boolean_decision(forgotten, all=False)  # the same on every rank

        first = before.norm() / gradient.norm() / 10
        return smallest_sufficient_step(forgets, float(first), self.tries)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = True


def _forget_losses(learner: Learner, sample: Sample) -> Tensor:
    """Cross-entropy of a learner with classes, minus the alignment of the pair of any other, ``(B,)``."""
    outputs = learner.outputs(sample)
    return learner.losses(outputs, sample) if target_kind(learner) == "class" else -learner.alignment(outputs, sample)


@torch.no_grad()
def _move(weight: Tensor, before: Tensor, gradient: Tensor, step: float) -> None:
    weight.copy_(before + step * gradient)
