"""NegGrad+."""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Split


class NegGradPlus(Unlearner):
    r"""NegGrad+: gradient descent on retain samples and, with a small weight, ascent on forget samples.

    .. math:: L = b \, \frac{1}{n_R} \sum_R l_i - (1 - b) \, \frac{1}{n_F} \sum_F l_i

    Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023, arXiv 2302.09880; b = 0.95 is the default
    of the authors' code, and CoUn (arXiv 2509.16391) searches 0.95 to 0.9999. Reads the retain and the forget stream in
    a pass each, as in the authors' code: forget samples are neither negatives of the retain samples of their step nor
    part of their batch statistics. With b = 1 it reads no forget sample, and is fine-tuning. A single forget row passes
    through the learner twice, since batch statistics need two rows.

    Args:
        weight: b, the weight of the retain loss, in (0, 1].

    Raises:
        InputError: If the weight is out of its range.
    """

    def __init__(self, weight: float = 0.95) -> None:
        require(0 < weight <= 1, f"Expected weight above 0 and at most 1, got {weight}. Papers use 0.95 to 0.9999.")
        self.weight = weight

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        return self.feed if self.weight < 1 else ("retain",)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        descent = mean_loss(learner, {"retain": batch["retain"]})
        if "forget" not in batch:
            return descent
        forget = batch["forget"]
        rows: Batch = {"forget": forget} if len(forget.index) > 1 else {"forget": forget, "train": forget}
        return self.weight * descent - (1 - self.weight) * mean_loss(learner, rows)
