"""Weight distance: a term that keeps weights away from the original's."""

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.weight_distance import rms_distance
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.methods.plug_in import PlugIn
from unlearning_pl.methods.weight_gradients import trainable_parameters
from unlearning_pl.types import Batch


class WeightDistance(PlugIn):
    r"""Weight distance: reward a distance of the weights from the original's, so that forgetting resists relearning.

    .. math:: - \alpha \sqrt{ \frac{1}{N} \sum_j (\theta_j - \theta_{o, j})^2 + \epsilon }

    Siddiqui et al., "From Dormant to Deleted: Tamper-Resistant Unlearning Through Weight-Space Regularization", arXiv
    2505.22310, where it is added to the loss of the retain samples; a plug-in adds it to any method. The mean is over
    all N trained weights together, biases and norm layers included, as in the authors' code; batch statistics, momentum
    encoders and the head of CoUn are no part of it. theta_o are the weights before the first step, on WeightNegation
    those with the first layer negated. Reads no stream of its own. The authors use alpha 1 and 100 epochs of Adam at
    1e-5, without weight decay.

    At theta_o the root has no gradient. As in the authors' code epsilon = 1e-8 is added under it: there the gradient is
    zero, and other terms take the first step. The term has no minimum: its gradient keeps a norm of alpha / sqrt(N) at
    any distance far above 1e-4. So SGD, unlike Adam, hardly notices it unless alpha is of the order of sqrt(N).

    The authors' other regulariser, a bounded forget loss at the midpoint of original and current weights, is not
    implemented.

    Args:
        weight: alpha, the weight of the distance, at least 0.

    Raises:
        InputError: If the weight is negative.
    """

    required_streams, supports_fsdp = (), False

    def __init__(self, weight: float = 1.0) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. The authors use 1.")
        self.weight = weight

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.original = {name: weight.detach().clone() for name, weight in learner.named_parameters()}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.original = {name: weight.to(pl_module.device) for name, weight in self.original.items()}

    @override
    def term(self, learner: Learner, batch: Batch) -> Tensor:
        weights = {name: weight for name, weight in trainable_parameters(learner).items() if name in self.original}
        distance = rms_distance(weights.values(), [self.original[name] for name in weights])
        log_term(learner, "weight_distance", distance, sum(len(sample.index) for sample in batch.values()))
        return -self.weight * distance
