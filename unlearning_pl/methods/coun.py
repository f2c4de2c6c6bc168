"""CoUn: a contrastive loss on retain samples."""

from typing import Literal

from lightly.models.modules import SimCLRProjectionHead
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import gather_with_indices
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import symmetric_info_nce
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.learners.feature_memory import features_of, remember_features
from unlearning_pl.methods.plug_in import PlugIn
from unlearning_pl.types import Batch

HEAD = "coun_head"


class CoUn(PlugIn):
    r"""CoUn: add a contrastive loss on the features of retain samples to any method; with fine-tuning it is CoUn.

    .. math:: \lambda \, \Big( - \frac{1}{N} \sum_i \log \mathrm{softmax}_j ( \cos(z_i, z'_j) / \tau )_i
        - \frac{1}{N} \sum_i \log \mathrm{softmax}_j ( \cos(z'_i, z_j) / \tau )_i \Big)

    Khalil et al., "CoUn: Empowering Machine Unlearning via Contrastive Learning", NeurIPS 2025, arXiv 2509.16391.
    Reads the retain stream, which is fed in addition to the streams of the method below; it reads no forget sample. z
    and z' are the encoder's outputs for two views, both with a gradient.

    Features that the loss of the method below has computed are not computed again: a classifier's loss has those of the
    first view, as in the paper, and the loss of SimCLR or BYOL those of both, by one pass and so with joint batch
    statistics. They must come from a pass of the retain rows alone. A joint pass with forget rows (NegGrad,
    RandomLabel) has batch statistics of both, and the paper's term depends on retain rows only. There, and on methods
    that read no retain row, the term embeds both views in passes of its own.

    The paper has no projection head. ``projection_dim`` adds one for the time of training and discards it afterwards.
    The paper searches lambda in [0.1, 6], and its best tau is 0.1. Combines with any method that takes training steps.

    Args:
        weight: lambda, the weight of the contrastive loss, at least 0.
        temperature: Softmax temperature tau, positive.
        directions: ``sum`` of both directions as in the paper's listing, or their ``mean`` as in its equation.
        projection_dim: Output width of a SimCLR projection head on the features; 0 for no head.

    Raises:
        InputError: If a number is out of its range.
    """

    num_views = 2
    required_methods = ("features",)

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 0.1,
        directions: Literal["sum", "mean"] = "sum",
        projection_dim: int = 0,
    ) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. The paper searches 0.1 to 6.")
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. The paper uses 0.1.")
        require(
            projection_dim >= 0, f"Expected projection_dim >= 0, got {projection_dim}. Give a width, or 0 for none."
        )
        self.weight, self.temperature, self.directions = weight, temperature, directions
        self.projection_dim = projection_dim
        self.supports_fsdp = not projection_dim  # on resume, FSDP loads weights before the head exists

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        if self.projection_dim:
            width = learner.feature_dim
            learner.auxiliary_modules[HEAD] = SimCLRProjectionHead(width, width, self.projection_dim)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        with remember_features(learner):
            return super().objective(learner, batch)

    @override
    def term(self, learner: Learner, batch: Batch) -> Tensor:
        first, second = (features_of(learner, view) for view in batch["retain"].views[:2])
        if self.projection_dim:
            first, second = (learner.auxiliary_modules[HEAD](features) for features in (first, second))
        contrast = symmetric_info_nce(first, second, self.temperature, gather_with_indices).mean()
        contrast = 2 * contrast if self.directions == "sum" else contrast
        log_term(learner, "retain_contrast", contrast, len(first))
        return self.weight * contrast

    @override
    def uninstall(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().uninstall(trainer, pl_module)
        auxiliary = getattr(pl_module, "auxiliary_modules", {})
        if HEAD in auxiliary:
            del auxiliary[HEAD]
