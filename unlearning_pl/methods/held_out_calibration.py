"""Held-out calibration."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from math import inf, isfinite

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import gather
from unlearning_pl.errors import require
from unlearning_pl.functional.precision import in_float16
from unlearning_pl.functional.quantile_matching import match_quantiles
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.learners.feature_memory import remember_features
from unlearning_pl.learners.membership_score import membership_score, score_kind
from unlearning_pl.methods.loss_gradients import add_weighted, gradient_norms, loss_gradients, loss_with_gradients
from unlearning_pl.methods.shared_means import shared_mean
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Sample, Split, concat_streams

Scores = tuple[Tensor, Tensor]
"""Running level of the scores of a stream, ``()``, and the deviations from it of the last steps, ``(M,)``."""


class HeldOutCalibration(Unlearner):
    r"""Held-out calibration: give forget images the membership scores of images never seen, no lower and no higher.

    .. math:: L = \frac{1}{n_R} \sum_R l_i + w D, \quad
        D = \frac{1}{n_F} \sum_F H\Big( \frac{s_i - Q_V(F_F(s_i))}{\sigma_V} \Big), \quad
        w = \min\Big( \lambda, \rho \, \frac{\lVert \nabla \sum_R l_i / n_R \rVert}{\lVert \nabla D \rVert} \Big)

    Ours. s is the score that membership attacks read, see
    :func:`~unlearning_pl.learners.membership_score.membership_score`. A retrained model gives forget images scores
    from the distribution of held-out ones. Each forget image is moved to the held-out quantile Q_V of its rank F_F
    among forget images, which is the optimal transport between the two distributions; once they are equal, nothing is
    left to move. The three streams share a pass (batch statistics, negatives), but forget and held-out images have no
    loss of training. Reads the retain, forget and validation streams.

    In each forward pass the pull on forget images is at most rho times as strong as training on retain images, by the
    norms of the two gradients with respect to all trainable weights; w has no gradient. The training losses of
    different learners have gradients of different sizes, with which a fixed w would be too strong for one and too weak
    for another. While rho limits the pull, a larger lambda makes no difference: lambda decides how near the aim the
    pull starts to fade. Such ratios weigh the losses of Esser et al. (VQGAN, CVPR 2021, arXiv 2012.09841; of the last
    layer) and of Chen et al. (GradNorm, ICML 2018, arXiv 1711.02257; with learnt weights). Each gradient costs
    a backward pass, and the step uses their weighted sum. In 16-mixed it takes a third pass, which a gradient scaler
    scales, and a step whose gradients overflow is one without a pull.

    Ranks and quantiles are among the scores of the last steps, this one included, since those of one batch are too few.
    Weights move meanwhile, so each stream remembers deviations from a running level of its scores, in which a step has
    weight 0.3. H is Huber's loss, quadratic below 1/2, so that the pull fades near the aim. sigma_V is the standard
    deviation of the scores of held-out images by the original, in evaluation mode; in its units lambda means the same
    for cosines and for log odds.

    Without held-out images there is no aim. A request for whole classes has none either, since a retrained model has
    seen other images of no such class: use another method.

    Args:
        weight: lambda, the largest weight of the distance to the held-out quantiles, at least 0.
        limit: rho, the largest norm of the pull's gradient as a multiple of that of training on retain images, above 0.
        memory_size: Number of scores of each stream to rank among, at least 2; whole steps are kept.

    Raises:
        InputError: If a number is out of its range, or the original gives all held-out images the same score.
    """

    feed = ("retain", "forget", "validation")
    supports_compile = False  # a compiled backward pass cannot keep its graph for another
    supports_fsdp = False  # processes measure different numbers of batches
    required_methods = ("alignment",)
    state_keys = ("forget_scores", "held_out_scores", "scale")

    def __init__(self, weight: float = 4.0, limit: float = 1.0, memory_size: int = 512) -> None:
        require(0 <= weight < inf, f"Expected weight >= 0, got {weight}. Give lambda, the pull to held-out scores.")
        require(
            0 < limit < inf,
            f"Expected limit > 0, got {limit}. Give rho, the pull's share of a step; weight 0 has none.",
        )
        require(memory_size >= 2, f"Expected memory_size >= 2, got {memory_size}. Ranks need some hundred scores.")
        self.weight, self.limit, self.memory_size = weight, limit, memory_size

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        require(
            len(data.positions("validation")) > 0,
            "Expected held-out images for HeldOutCalibration, got none. Train the original with --data.validation 0.1.",
        )
        self.forget_scores: Scores | None = None
        self.held_out_scores: Scores | None = None
        self.scale = 1.0
        targets = data.load()[0].targets
        kept, forgotten = (set(targets[data.positions(name)].tolist()) for name in ("retain", "forget"))
        if score_kind(learner) == "margin" and forgotten - kept:
            rank_zero_warn(
                "HeldOutCalibration aims at scores of held-out images, but a model retrained without whole classes "
                "would not know these. Choose another method, such as NegGradPlus."
            )

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        mean = shared_mean(learner, streams["validation"], membership_score)
        variance = shared_mean(learner, streams["validation"], lambda *rows: (membership_score(*rows) - mean).square())
        self.scale = float(variance.sqrt())
        require(
            isfinite(self.scale) and self.scale > 0,
            f"Expected held-out images of different scores by the original, got a deviation of {self.scale}. Hold out "
            "more images, and check the original.",
        )

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        loss, distance = self._terms(learner, batch)
        training, pull = loss_gradients(learner, loss, distance)
        weight = self._weight(gradient_norms(learner, [training, pull]))
        log_term(learner, "pull_weight", weight, len(batch["forget"].index))
        total: Tensor = loss + weight * distance
        if in_float16(loss.device):
            return total
        return loss_with_gradients(learner, total, add_weighted(training, pull, weight))

    def _terms(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
        """Training loss of retain rows, and distance of forget rows to their aims; remembers the scores."""
        rows = [len(batch[name].index) for name in self.feed]
        sample, _ = concat_streams({name: batch[name] for name in self.feed})
        remember = remember_features if score_kind(learner) == "cosine" else nullcontext
        with remember(learner):
            outputs = learner.outputs(sample)
            losses = learner.losses(outputs, sample)
            _, forget, held_out = torch.split(membership_score(learner, sample, outputs), rows)
        with torch.no_grad():
            self.forget_scores = self._remember(self.forget_scores, forget)
            self.held_out_scores = self._remember(self.held_out_scores, held_out)
            (level, members), (aim_level, unseen) = self.forget_scores, self.held_out_scores
            aim = aim_level + match_quantiles(forget - level, members, unseen)
        log_term(learner, "forget_score", forget.mean(), rows[1])
        log_term(learner, "held_out_score", held_out.mean(), rows[2])
        return losses[: rows[0]].mean(), smooth_l1_loss(forget / self.scale, aim / self.scale, beta=0.5)

    def _weight(self, norms: Tensor) -> Tensor:
        """Weight of the pull, ``()``, by the norms of the gradients of training and of the pull, ``(2,)``."""
        training, pull = norms.unbind()
        weight = (self.limit * training / pull.clamp_min(torch.finfo(pull.dtype).tiny)).clamp_max(self.weight)
        return weight.where(norms.isfinite().all(), 0.0)  # elsewhere than in float16, 0 times nan ends the training

    def _remember(self, known: Scores | None, scores: Tensor) -> Scores:
        """Add the scores of a step, of all processes, to those of earlier ones; whole steps are forgotten."""
        scores = gather(scores.detach()[:, None])[:, 0]
        if known is None:
            level, deviations = scores.mean(), scores[:0]
        else:
            level, deviations = (values.to(scores) for values in known)
            level = level.lerp(scores.mean(), 0.3)
        kept = max(self.memory_size // len(scores), 1) * len(scores)
        return level, torch.cat([scores - level, deviations])[:kept]
