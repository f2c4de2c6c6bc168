"""Gradient penalty."""

from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.functional.gradients import input_gradient_norm
from unlearning_pl.learners import Learner
from unlearning_pl.methods.base import Unlearner
from unlearning_pl.sample import Batch, joint


class GradientPenalty(Unlearner):
    r"""Train on retain samples and flatten the loss around the samples to forget.

    .. math:: L = \frac{1}{n_R} \sum_R l_i + \lambda \, \frac{1}{n_F} \sum_F
        \Big( \Big\| \frac{\partial l_i}{\partial v_i} \Big\|_2 - k \Big)^p

    Wang & Chen, "Machine Unlearning in Contrastive Learning", arXiv 2405.07317, in its simplified form, which needs
    no data beyond the training set. The paper's equations were not to be had: k = 0 and p = 1 are our reading, and so
    is the norm, which is taken of the gradient of the forget losses' sum: where samples meet (negatives, batch
    statistics) it carries their influence on one another. Retain and forget samples share one pass. The second
    backward pass makes a step two to five times as dear; fused attention has none, so the plain one is used.

    Args:
        weight: The coefficient lambda, at least 0; 0 leaves the retain loss of the joint pass.
        target: The norm k that is aimed at, at least 0.
        power: The exponent p, 1 or 2; with 1 and a positive target the distance is taken without its sign.

    Raises:
        InputError: If a number is out of its range.
    """

    compiles = False

    def __init__(self, weight: float = 1.0, target: float = 0.0, power: int = 1) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. Give lambda, the weight of the penalty.")
        require(target >= 0, f"Expected target >= 0, got {target}. Give k, the norm to aim at.")
        require(power in (1, 2), f"Expected power 1 or 2, got {power}. Choose one of them.")
        self.weight, self.target, self.power = weight, target, power

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        views = tuple(view.detach().requires_grad_() for view in batch["forget"].views)
        sample, _ = joint({"retain": batch["retain"], "forget": batch["forget"]._replace(views=views)})
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        with sdpa_kernel(SDPBackend.MATH):
            losses = learner.losses(learner.outputs(sample), sample)
        norms = input_gradient_norm(losses[retained:], views[: learner.num_views])
        penalty = (norms - self.target).abs().pow(self.power).mean()
        learner.log_term("forget_gradient_norm", norms.mean(), forgotten)
        return losses[:retained].mean() + self.weight * penalty
