"""Gradient penalty."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import gather
from unlearning_pl.errors import require
from unlearning_pl.functional.gradients import input_gradient_norm
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Sample, Split, concat_streams


class GradientPenalty(Unlearner):
    r"""Gradient penalty (GP): train on retain samples and penalise the gradient norm of forget samples.

    .. math:: L = \frac{1}{n_R} \sum_R l_i + \lambda \, \frac{1}{n_F} \sum_F
        \left| \, \left\| \frac{\partial s_i}{\partial x_i} \right\|_2 - k \, \right|^p

    Wang & Chen, "Machine Unlearning in Contrastive Learning", arXiv 2405.07317. The paper's equations were not
    available to us: the options are readings of its text, and docs/gradient_penalty.md compares them. s_i is the loss
    or the similarity of a pair (for a classifier the probability of the label). x_i are the views, the embeddings that
    the loss compares, or views interpolated at random with held-out ones, as in WGAN-GP.

    In the paper's first stage k is the running mean of the norm on held-out images. These share the pass (batch
    statistics, negatives) but never enter the loss. With k = 0 it is the second stage, which needs members only. The
    first stage came nearer to retraining for every learner that was measured, hence the default. Reads the retain and
    the forget stream in one joint pass, and the validation stream for ``target="held_out"`` or
    ``wrt="interpolations"``.

    The norm is that of the gradient of the sum over samples: where samples interact (negatives, batch statistics), it
    includes their influence on one another. The second backward pass makes a step two to five times as expensive,
    except for embeddings, and is slower still in half precision on a CPU. Fused attention has no second derivative,
    so the method selects the plain implementation.

    Args:
        weight: lambda, the weight of the penalty, at least 0; 0 keeps only the retain loss of the joint pass.
        target: k, the target norm, at least 0, or ``held_out`` for the running mean of the norm on held-out images.
        power: The exponent p, 1 or 2.
        score: s_i, the quantity to differentiate: ``loss`` or ``similarity``.
        wrt: x_i, the inputs of the gradient: ``views``, ``embeddings`` or ``interpolations``.

    Raises:
        InputError: If a number is out of its range.
    """

    supports_compile, second_order, supports_fsdp = False, True, False
    required_methods = ("alignment",)
    state_keys = ("level",)

    def __init__(
        self,
        weight: float = 1.0,
        target: float | Literal["held_out"] = "held_out",
        power: int = 1,
        score: Literal["loss", "similarity"] = "loss",
        wrt: Literal["views", "embeddings", "interpolations"] = "views",
    ) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. Give lambda, the weight of the penalty.")
        valid = target == "held_out" or (not isinstance(target, str) and target >= 0)
        require(valid, f"Expected target >= 0 or held_out, got {target}. Give k, the target norm.")
        require(power in (1, 2), f"Expected power 1 or 2, got {power}. Choose one of them.")
        self.weight, self.target, self.power, self.score, self.wrt = weight, target, power, score, wrt

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        reads_held_out = self.target == "held_out" or self.wrt == "interpolations"
        return (*self.feed, "validation") if reads_held_out else self.feed

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.level: Tensor | None = None

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        sample, views = self._join_streams(batch)
        with sdpa_kernel(SDPBackend.MATH):
            outputs = learner.outputs(sample)
            losses = learner.losses(outputs, sample)
        score = losses if self.score == "loss" else learner.alignment(outputs, sample)
        if self.wrt == "embeddings":
            tensors = (outputs,) if isinstance(outputs, Tensor) else outputs
            inputs = tuple(tensor for tensor in tensors if tensor.requires_grad)
            norms = input_gradient_norm(score[retained:], inputs, rows_at=-2)[retained:]
        else:
            norms = input_gradient_norm(score[retained:], views[: learner.num_views])
        target = self._held_out_norm(norms[forgotten:]) if self.target == "held_out" else self.target
        penalty = (norms[:forgotten] - target).abs().pow(self.power).mean()
        log_term(learner, "forget_gradient_norm", norms[:forgotten].mean(), forgotten)
        return losses[:retained].mean() + self.weight * penalty

    def _join_streams(self, batch: Batch) -> tuple[Sample, tuple[Tensor, ...]]:
        """Join the streams, and return the views whose gradient is penalised: all but those of the retain samples."""
        rows: dict[Split, Sample] = {"retain": batch["retain"], "forget": batch["forget"]}
        if self.wrt == "interpolations":
            rows["forget"] = _interpolate(batch["forget"], batch["validation"])
        if self.target == "held_out":
            rows["validation"] = batch["validation"]
        sample, _ = concat_streams(rows)
        retained = len(batch["retain"].index)
        inputs = tuple(view[retained:].detach().requires_grad_() for view in sample.views)
        views = tuple(torch.cat([view[:retained], part]) for view, part in zip(sample.views, inputs, strict=True))
        return sample._replace(views=views), inputs

    def _held_out_norm(self, held_out: Tensor) -> Tensor:
        """Running mean of the norm on held-out samples of all processes, ``()``; each step has weight 0.1."""
        mean = gather(held_out.detach()[:, None]).mean()
        self.level = mean if self.level is None else self.level.to(mean.device).lerp(mean, 0.1)
        return self.level


def _interpolate(forget: Sample, held_out: Sample) -> Sample:
    """Interpolate each forget sample's views with those of a random held-out sample."""
    rows = torch.randint(len(held_out.index), forget.index.shape, device=forget.index.device)
    fractions = torch.rand(len(rows), 1, 1, 1, device=rows.device, dtype=forget.views[0].dtype)
    pairs = zip(forget.views, held_out.views, strict=True)
    return forget._replace(views=tuple(torch.lerp(other[rows], view, fractions) for view, other in pairs))
