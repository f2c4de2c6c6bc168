"""Bad teacher (incompetent teacher)."""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.seeds import effective_seed
from unlearning_pl.errors import require
from unlearning_pl.functional.divergences import distillation
from unlearning_pl.learners import Learner
from unlearning_pl.methods.teachers import frozen_copy, random_copy, teacher_logits
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, concat_streams


class BadTeacher(Unlearner):
    r"""Bad teacher: distil a random model on forget samples, and the original on retain samples.

    .. math:: L = \frac{1}{n_R + n_F} \Big( \sum_R T^2 \, \mathrm{KL}(p_i^{original} \| p_i)
        + \sum_F T^2 \, \mathrm{KL}(p_i^{random} \| p_i) \Big)

    Chundawat et al., "Can Bad Teaching Induce Forgetting?", AAAI 2023, arXiv 2205.08096. Reads the retain and the
    forget stream in one joint pass, as in the authors' code; the learner's own training loss is not used. For a learner
    without classes, p_i is the softmax of the similarities of an image to all images of the batch (our reading). The
    authors' code uses Adam at 1e-4, one epoch, T = 1 and 30 % of the retain set; here the whole retain set is read.
    Their code also averages the divergence over the K classes and omits T^2, a constant factor that Adam cancels.
    Each step runs three models: the student and both teachers.

    Args:
        temperature: Distillation temperature T, positive.

    Raises:
        InputError: If the temperature is not positive.
    """

    required_methods = ("logits",)

    def __init__(self, temperature: float = 1.0) -> None:
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. The authors use 1.")
        self.temperature = temperature

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.good, self.bad = frozen_copy(learner), random_copy(learner, effective_seed(data.trainer))

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        sample, forget = concat_streams(batch)
        student = learner.logits(learner.outputs(sample))
        original, random = (teacher_logits(teacher, sample) for teacher in (self.good, self.bad))
        return distillation(student, random.where(forget[:, None], original), self.temperature).mean()
