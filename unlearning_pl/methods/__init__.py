"""Unlearning methods: Lightning callbacks that replace the objective of a step."""

from unlearning_pl.methods.alignment_calibration import AlignmentCalibration
from unlearning_pl.methods.bad_teacher import BadTeacher
from unlearning_pl.methods.contrastive_unlearning import ContrastiveUnlearning
from unlearning_pl.methods.coun import CoUn
from unlearning_pl.methods.fine_tune import FineTune
from unlearning_pl.methods.gradient_ascent import GradientAscent
from unlearning_pl.methods.gradient_penalty import GradientPenalty
from unlearning_pl.methods.held_out_calibration import HeldOutCalibration
from unlearning_pl.methods.l1_sparse import L1Sparse
from unlearning_pl.methods.neg_grad import NegGrad
from unlearning_pl.methods.neg_grad_plus import NegGradPlus
from unlearning_pl.methods.plug_in import PlugIn
from unlearning_pl.methods.random_label import RandomLabel
from unlearning_pl.methods.regun import ReGUn
from unlearning_pl.methods.salun import SalUn
from unlearning_pl.methods.scrub import SCRUB
from unlearning_pl.methods.slug import SLUG
from unlearning_pl.methods.ssd import SSD
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_distance import WeightDistance
from unlearning_pl.methods.weight_negation import WeightNegation

__all__ = [
    "SCRUB",
    "SLUG",
    "SSD",
    "AlignmentCalibration",
    "BadTeacher",
    "CoUn",
    "ContrastiveUnlearning",
    "FineTune",
    "GradientAscent",
    "GradientPenalty",
    "HeldOutCalibration",
    "L1Sparse",
    "NegGrad",
    "NegGradPlus",
    "PlugIn",
    "RandomLabel",
    "ReGUn",
    "SalUn",
    "Unlearner",
    "WeightDistance",
    "WeightNegation",
]
