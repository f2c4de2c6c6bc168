"""Unlearning methods: Lightning callbacks that replace the objective of a step."""

from unlearning_pl.methods.alignment_calibration import AlignmentCalibration
from unlearning_pl.methods.base import PlugIn, Unlearner
from unlearning_pl.methods.coun import CoUn
from unlearning_pl.methods.fine_tune import FineTune
from unlearning_pl.methods.gradient_ascent import GradientAscent
from unlearning_pl.methods.gradient_penalty import GradientPenalty
from unlearning_pl.methods.neg_grad import NegGrad

__all__ = [
    "AlignmentCalibration",
    "CoUn",
    "FineTune",
    "GradientAscent",
    "GradientPenalty",
    "NegGrad",
    "PlugIn",
    "Unlearner",
]
