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
    r"""Train on retain samples and flatten the loss around the samples to forget.

    .. math:: L = \frac{1}{n_R} \sum_R l_i + \lambda \, \frac{1}{n_F} \sum_F
        \Big| \, \Big\| \frac{\partial s_i}{\partial x_i} \Big\|_2 - k \, \Big|^p

    Wang & Chen, "Machine Unlearning in Contrastive Learning", arXiv 2405.07317. The paper's equations were not to be
    had; these readings are offered, and docs/gradient_penalty.md compares them. s_i is the loss or the similarity of
    a pair (a classifier's probability of the label). x_i are the views, the embeddings that the loss compares, or
    views interpolated at random with held-out ones, as in WGAN-GP. The paper's first stage takes for k the running
    mean of the norm on held-out images, which then share the pass (batch statistics, negatives) and are never in the
    loss; with k = 0 it is the second, which needs members only. The first came nearer to retraining for every learner
    that was measured, hence the default. The norm is taken of the gradient of the sum over samples: where samples
    meet it carries their influence on one another. The second backward pass makes a step two to five times as dear,
    but for embeddings, and is slower still in half precision on a CPU; fused attention has none, so the plain one is
    used.

    Args:
        weight: The coefficient lambda, at least 0; 0 leaves the retain loss of the joint pass.
        target: The norm k that is aimed at, at least 0, or ``held_out`` for that of images never seen.
        power: The exponent p, 1 or 2.
        of: What is differentiated.
        at: With respect to what.

    Raises:
        InputError: If a number is out of its range.
    """

    supports_compile, supports_fsdp = False, False
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
        known = target == "held_out" or (not isinstance(target, str) and target >= 0)
        require(known, f"Expected target >= 0 or held_out, got {target}. Give k, the norm to aim at.")
        require(power in (1, 2), f"Expected power 1 or 2, got {power}. Choose one of them.")
        self.weight, self.target, self.power, self.score, self.wrt = weight, target, power, score, wrt

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        both = self.target == "held_out" or self.wrt == "interpolations"
        return (*self.feed, "validation") if both else self.feed

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.level: Tensor | None = None

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        sample, views = self._pass(batch)
        with sdpa_kernel(SDPBackend.MATH):
            outputs = learner.outputs(sample)
            losses = learner.losses(outputs, sample)
        score = losses if self.score == "loss" else learner.alignment(outputs, sample)
        if self.wrt == "embeddings":
            tensors = (outputs,) if isinstance(outputs, Tensor) else outputs
            free = tuple(tensor for tensor in tensors if tensor.requires_grad)
            norms = input_gradient_norm(score[retained:], free, rows_at=-2)[retained:]
        else:
            norms = input_gradient_norm(score[retained:], views[: learner.num_views])
        target = self._aim(norms[forgotten:]) if self.target == "held_out" else self.target
        penalty = (norms[:forgotten] - target).abs().pow(self.power).mean()
        log_term(learner, "forget_gradient_norm", norms[:forgotten].mean(), forgotten)
        return losses[:retained].mean() + self.weight * penalty

    def _pass(self, batch: Batch) -> tuple[Sample, tuple[Tensor, ...]]:
        """All rows of the pass, and the views among them that are differentiated: all but the retain samples'."""
        rows: dict[Split, Sample] = {"retain": batch["retain"], "forget": batch["forget"]}
        if self.wrt == "interpolations":
            rows["forget"] = _between(batch["forget"], batch["validation"])
        if self.target == "held_out":
            rows["validation"] = batch["validation"]
        sample, _ = concat_streams(rows)
        retained = len(batch["retain"].index)
        free = tuple(view[retained:].detach().requires_grad_() for view in sample.views)
        views = tuple(torch.cat([view[:retained], part]) for view, part in zip(sample.views, free, strict=True))
        return sample._replace(views=views), free

    def _aim(self, held_out: Tensor) -> Tensor:
        """Running mean of the norm on held-out samples of all processes, ``()``; the latest step counts a tenth."""
        mean = gather(held_out.detach()[:, None]).mean()
        self.level = mean if self.level is None else self.level.to(mean.device).lerp(mean, 0.1)
        return self.level


def _between(forget: Sample, held_out: Sample) -> Sample:
    """Points at random places between each forget sample's views and those of a random held-out one."""
    rows = torch.randint(len(held_out.index), forget.index.shape, device=forget.index.device)
    places = torch.rand(len(rows), 1, 1, 1, device=rows.device, dtype=forget.views[0].dtype)
    pairs = zip(forget.views, held_out.views, strict=True)
    return forget._replace(views=tuple(torch.lerp(other[rows], view, places) for view, other in pairs))
