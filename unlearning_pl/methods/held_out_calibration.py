"""Held-out calibration."""

from collections.abc import Iterable, Mapping

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import all_reduce_shares, gather
from unlearning_pl.errors import require
from unlearning_pl.functional.quantile_matching import match_quantiles
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.learners.feature_memory import remember_features
from unlearning_pl.learners.membership_score import membership_score
from unlearning_pl.methods.teachers import frozen_copy
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Sample, Split, concat_streams

Scores = tuple[Tensor, Tensor]
"""Running level of the scores of a stream, ``()``, and the deviations from it of the last steps, ``(M,)``."""


class HeldOutCalibration(Unlearner):
    r"""Held-out calibration: give forget images the membership scores of images never seen, no lower and no higher.

    .. math:: L = \frac{1}{n_R} \sum_R l_i
        + \lambda \, \frac{1}{n_F} \sum_F H\Big( \frac{s_i - Q_V(F_F(s_i))}{\sigma_V} \Big)
        + \mu \, \frac{1}{n_R} \sum_R \Big| \frac{s_i - s^o_i}{\sigma_V} \Big|

    Ours. s is the score that membership attacks read, see
    :func:`~unlearning_pl.learners.membership_score.membership_score`. A retrained model gives forget images scores
    from the distribution of held-out ones. Each forget image is moved to the held-out quantile Q_V of its rank F_F
    among forget images, which is the optimal transport between the two distributions; once they are equal, nothing is
    left to move. The last term keeps the scores of retain images where the original (o), in the same mode and on the
    same rows, has them. The three streams share a pass; held-out images never enter the loss of training. Reads the
    retain, forget and validation streams.

    Ranks and quantiles are among the scores of the last steps, since those of one batch are too few. Weights move
    meanwhile, so each stream remembers deviations from a running level of its scores. H is Huber's loss, quadratic
    below 1/2: the pull of a distance does not vanish at its aim. sigma_V is the standard deviation of the scores of
    held-out images by the original; in its units lambda and mu mean the same for cosines and for log odds.

    A request for whole classes has no aim here, since a retrained model has seen other images of no such class: use
    another method.

    Args:
        weight: lambda, the weight of the distance to the held-out quantiles, at least 0.
        retain_weight: mu, the weight of the distance of retain images to their scores by the original, at least 0.
        memory_size: Number of scores of each stream to rank among, at least 2; whole steps are kept.

    Raises:
        InputError: If a number is out of its range, or the original gives all held-out images the same score.
    """

    feed = ("retain", "forget", "validation")
    supports_fsdp = False  # processes measure different numbers of batches
    required_methods = ("features", "alignment")
    state_keys = ("forget_scores", "held_out_scores", "scale")

    def __init__(self, weight: float = 1.0, retain_weight: float = 2.0, memory_size: int = 512) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. Give lambda, the pull to held-out scores.")
        require(retain_weight >= 0, f"Expected retain_weight >= 0, got {retain_weight}. Give mu, or 0 for no anchor.")
        require(memory_size >= 2, f"Expected memory_size >= 2, got {memory_size}. Ranks need some hundred scores.")
        self.weight, self.retain_weight, self.memory_size = weight, retain_weight, memory_size

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.teacher = frozen_copy(learner).train()  # batch statistics as the learner's own
        self.forget_scores: Scores | None = None
        self.held_out_scores: Scores | None = None
        self.scale = 1.0
        targets = data.load()[0].targets
        kept, forgotten = (set(targets[data.positions(name)].tolist()) for name in ("retain", "forget"))
        if getattr(learner, "knows_classes", False) and not kept & forgotten:
            rank_zero_warn(
                "HeldOutCalibration aims at scores of held-out images, but a model retrained without whole classes "
                "would not know these. Choose another method, such as NegGradPlus."
            )

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        sums = torch.zeros(3, dtype=torch.float64)  # of images, their scores and the squares of these
        with torch.no_grad():
            for sample in streams["validation"]:
                scores = membership_score(learner, sample).double().cpu()
                sums += torch.stack([torch.ones_like(scores), scores, scores.square()]).sum(1)
        sums = sums.to(learner.device)
        all_reduce_shares([sums])
        number, mean, square = sums[0], sums[1] / sums[0], sums[2] / sums[0]
        self.scale = float((square - mean.square()).clamp_min(0).sqrt())
        require(
            self.scale > 0,
            f"Expected held-out images of different scores, got {int(number)} with the same. Hold out more images.",
        )

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        rows = [len(batch[name].index) for name in self.feed]
        sample, _ = concat_streams({name: batch[name] for name in self.feed})
        with remember_features(learner):
            outputs = learner.outputs(sample)
            losses = learner.losses(outputs, sample)
            retain, forget, held_out = torch.split(membership_score(learner, sample, outputs), rows)
        with torch.no_grad():
            original = membership_score(self.teacher, sample)[: rows[0]]
            self.forget_scores = self._remember(self.forget_scores, forget)
            self.held_out_scores = self._remember(self.held_out_scores, held_out)
            (level, members), (aim_level, unseen) = self.forget_scores, self.held_out_scores
            aim = aim_level + match_quantiles(forget - level, members, unseen)
        distance = smooth_l1_loss(forget / self.scale, aim / self.scale, beta=0.5)
        drift = (retain - original).abs().mean() / self.scale
        log_term(learner, "forget_score", forget.mean(), rows[1])
        log_term(learner, "held_out_score", held_out.mean(), rows[2])
        loss: Tensor = losses[: rows[0]].mean() + self.weight * distance + self.retain_weight * drift
        return loss

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
