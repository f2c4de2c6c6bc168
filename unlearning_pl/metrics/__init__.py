"""The audits' quantities as metrics for any Lightning code: collected batch by batch, on any number of processes.

Call ``update`` for each batch and ``compute`` at the end, or hand the metric to ``self.log``. Most values are not
defined for a single batch, so the metric itself is not to be called. Every row counts: a sampler that repeats rows to
give each process as many, Lightning's own for one, counts them twice.
"""

from unlearning_pl.metrics.alignment import ForgettingScore
from unlearning_pl.metrics.membership import ClassifierMI, EncoderMI, MembershipAUC, TPRAtFPR
from unlearning_pl.metrics.shadow_models import KLOM
from unlearning_pl.metrics.similarity import LinearCKA

__all__ = ["KLOM", "ClassifierMI", "EncoderMI", "ForgettingScore", "LinearCKA", "MembershipAUC", "TPRAtFPR"]
