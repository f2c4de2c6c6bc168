"""SCRUB."""

from dataclasses import replace

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import TrainingPlan
from unlearning_pl.errors import require
from unlearning_pl.functional.divergences import distillation
from unlearning_pl.learners import Learner
from unlearning_pl.methods.teachers import frozen_copy, teacher_logits
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Split, concat_streams


class SCRUB(Unlearner):
    r"""SCRUB: alternate between diverging from the original on forget samples and distilling it on retain samples.

    .. math:: L_{\max} = - \frac{1}{n_F} \sum_F D_i, \quad
        L_{\min} = \frac{1}{n_R} \sum_R \big( \gamma \, l_i + \alpha \, D_i \big)

    D_i = T^2 KL(teacher || student) of sample i; the teacher is the original. Kurmanji et al., "Towards Unbounded
    Machine Unlearning", NeurIPS 2023, arXiv 2302.09880. Reads the forget or the retain stream, by epoch: each of the
    first ``max_epochs`` passes over the forget set comes before a pass over the retain set, and an epoch of the trainer
    is one pass. The paper's E epochs with m passes over the forget set are therefore E + m epochs of the trainer. For
    a learner without classes, D_i compares the similarities of an image to all images of the batch (our reading). The
    authors' code uses Adam at 5e-4, times 0.1 after epochs 5, 8 and 9, weight decay 0.1, batches of 64 forget or 32
    retain samples, E = 10, m = 3, gamma 1, alpha 0.5, T = 2. Options for the rate and the batches of their code:
    ``--schedule multi_step --milestones [8, 11, 12] --data.batch_size 32 --method.forget_batch_size 64``; their epochs
    end m epochs later here. Each step runs two models: student and teacher.

    Args:
        max_epochs: m, the number of passes over the forget set, at least 0.
        gamma: gamma, the weight of the training loss on retain samples, at least 0.
        alpha: alpha, the weight of the distillation loss on retain samples, at least 0.
        temperature: Distillation temperature T, positive.
        forget_batch_size: Rows of a step, over all processes, of a pass over the forget set, at least 2;
            ``data.batch_size`` by default. With a plug-in whose term reads a stream of its own there, such as CoUn, a
            step has ``data.batch_size`` rows.

    Raises:
        InputError: If a number is out of its range.
    """

    required_methods = ("logits",)
    alternates_streams = True

    def __init__(
        self,
        max_epochs: int = 3,
        gamma: float = 1.0,
        alpha: float = 0.5,
        temperature: float = 2.0,
        forget_batch_size: int | None = None,
    ) -> None:
        require(max_epochs >= 0, f"Expected max_epochs >= 0, got {max_epochs}. CoUn searches 1 to 10.")
        require(gamma >= 0, f"Expected gamma >= 0, got {gamma}. CoUn searches 0.1 to 3.")
        require(alpha >= 0, f"Expected alpha >= 0, got {alpha}. CoUn searches 0.1 to 3.")
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. The authors use 2 to 4.")
        require(
            forget_batch_size is None or forget_batch_size >= 2,
            f"Expected forget_batch_size >= 2, got {forget_batch_size}. The authors use 64.",
        )
        self.max_epochs, self.gamma, self.alpha, self.temperature = max_epochs, gamma, alpha, temperature
        self.forget_batch_size = forget_batch_size

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        is_max_epoch = epoch % 2 == 0 and epoch < 2 * self.max_epochs
        return ("forget",) if is_max_epoch else ("retain",)

    @override
    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        sizes: dict[Split, int] = {} if self.forget_batch_size is None else {"forget": self.forget_batch_size}
        return replace(super().extend_plan(plan), batch_sizes={**plan.batch_sizes, **sizes})

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.teacher = frozen_copy(learner)
        epochs = learner.trainer.max_epochs or 0
        if 0 < epochs < 2 * self.max_epochs:
            rank_zero_warn(
                f"SCRUB with max_epochs = {self.max_epochs} ends on a pass over the forget set: trainer.max_epochs "
                f"= {epochs} is less than {2 * self.max_epochs}."
            )

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        sample, _ = concat_streams(batch)
        outputs = learner.outputs(sample)
        teacher = teacher_logits(self.teacher, sample)
        distance = distillation(learner.logits(outputs), teacher, self.temperature).mean()
        if "forget" in batch:
            return -distance
        return self.gamma * learner.losses(outputs, sample).mean() + self.alpha * distance
