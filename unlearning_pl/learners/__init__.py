"""Model families as LightningModules: an encoder, its per-sample loss, and the objective that a method replaces."""

from unlearning_pl.deprecated.old_modules import renamed
from unlearning_pl.learners.byol import BYOL
from unlearning_pl.learners.classifier import Classifier
from unlearning_pl.learners.clip import CLIP
from unlearning_pl.learners.contrastive_learner import ContrastiveLearner
from unlearning_pl.learners.learner import Learner, Objective, mean_loss
from unlearning_pl.learners.loss_terms import log_term
from unlearning_pl.learners.moco import MoCo
from unlearning_pl.learners.momentum_encoder import MomentumEncoder
from unlearning_pl.learners.simclr import SimCLR

__all__ = [
    "BYOL",
    "CLIP",
    "Classifier",
    "ContrastiveLearner",
    "Learner",
    "MoCo",
    "MomentumEncoder",
    "Objective",
    "SimCLR",
    "log_term",
    "mean_loss",
]

__getattr__ = renamed("learners", ["learners.learner"])
