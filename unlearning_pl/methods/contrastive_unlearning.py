"""Contrastive unlearning (CU)."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import pad
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import TrainingPlan
from unlearning_pl.data.seeds import effective_seed, isolated_rng, run_seed
from unlearning_pl.distributed.collectives import gather
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import class_contrast
from unlearning_pl.learners import Learner, log_term, mean_loss
from unlearning_pl.methods.shared_means import shared_mean, success
from unlearning_pl.methods.unlearner import Unlearner, evaluation_mode
from unlearning_pl.types import Batch, Split, concat_streams


class ContrastiveUnlearning(Unlearner):
    r"""Contrastive unlearning (CU): pull forget samples towards retain samples of other classes, away from their own.

    .. math:: L = \frac{1}{n_R} \sum_R l_i - \frac{\lambda}{n_F} \sum_{i \in F} \frac{1}{|N_i|} \sum_{a \in N_i}
        \log \frac{\exp(\cos(z_i, z_a) / \tau)}{\sum_{p \in P_i} \exp(\cos(z_i, z_p) / \tau)}

    Lee et al., "Contrastive Unlearning: A Contrastive Approach to Machine Unlearning", IJCAI 2025, arXiv
    2401.10458. z are the embeddings of the first view of the retain and the forget stream, computed in one joint pass.
    P_i are the retain samples of the batch with the same class, over all processes, and N_i the other ones. The first
    term takes a pass of its own. The labels are hidden from a learner that trains without them: there P_i is the
    sample's own second view and N_i are all retain samples of the batch (our reading); an image-text learner compares
    views of the images.

    Training stops after the epoch in which the learner does no better on forget than on held-out images, both
    augmented, by accuracy for a classifier and by alignment otherwise. The authors compare with the test set; this
    method uses ``data.validation``, and trains all epochs without it. The values that the authors used were not
    available to us: lambda = 1 and tau = 0.1 are our choice.

    Args:
        weight: lambda, the weight of the contrastive term, at least 0.
        temperature: Softmax temperature tau, positive.
        stop: Whether to stop early.

    Raises:
        InputError: If a number is out of its range.
    """

    required_methods = ("embed", "class_scores", "alignment")
    state_keys = ("stopped",)

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, stop: bool = True) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. Give lambda, the weight of the contrast.")
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. Contrastive losses use 0.07 to 0.5.")
        self.weight, self.temperature, self.stop = weight, temperature, stop
        self.supports_fsdp = not stop  # early stopping evaluates the learner between two epochs

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.stopped = False
        self.evaluated: tuple[Split, ...] = ("forget", "validation") if len(data.positions("validation")) else ()

    @override
    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        return plan.feed(self.streams, 2 if plan.sample.context_length else 1)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retain, forget = batch["retain"], batch["forget"]
        sample, _ = concat_streams(batch)
        pairs = learner.num_views > 1 or getattr(learner, "context_length", None) is not None
        own = forget.views[1:2] if pairs else ()
        z = learner.embed(torch.cat([sample.views[0], *own]))
        rows = [len(retain.index), len(forget.index), len(z) - len(sample.index)]
        retain_z, anchor, second = torch.split(z, rows)
        candidates, classes = gather(retain_z), gather(retain.target[:, None])[:, 0]
        same = forget.target[:, None] == classes
        different = ~same
        if own:
            identity = torch.eye(len(anchor), device=z.device, dtype=torch.bool)
            empty, full = torch.zeros_like(same), torch.ones_like(same)
            same, different = torch.cat([empty, identity], dim=1), pad(full, (0, len(anchor)))
            candidates = torch.cat([candidates, second])
        contrast = class_contrast(anchor, candidates, same, different, self.temperature).mean()
        log_term(learner, "forget_contrast", contrast, len(anchor))
        return mean_loss(learner, {"retain": retain}) + self.weight * contrast

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.stopped

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (self.stop and self.evaluated):
            return
        learner, _ = self._learner_and_data(trainer, pl_module)
        seed = run_seed(effective_seed(trainer), "stop", trainer.current_epoch, trainer.global_rank)
        with torch.no_grad(), evaluation_mode(learner), isolated_rng(learner.device, seed):
            shares = self.shared_samples(trainer, learner, self.evaluated)
            forget, held_out = (shared_mean(learner, samples, success) for samples in shares.values())
        # Sums may differ between ranks in their last bit, and so may decisions.
        self.stopped = trainer.strategy.reduce_boolean_decision(bool(forget <= held_out), all=False)
        trainer.should_stop = trainer.should_stop or self.stopped
