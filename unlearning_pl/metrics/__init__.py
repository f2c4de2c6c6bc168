"""torchmetrics classes of the audits' metrics, for any Lightning module, accumulated over batches and processes.

Call ``update`` for each batch and ``compute`` at the end, or pass the metric to ``self.log``. Most values are not
defined for a single batch, so do not call the metric itself (``forward``). Every row counts: a sampler that repeats
rows to give each process the same number, such as Lightning's own, makes them count twice.
"""

from unlearning_pl.metrics.alignment import ForgettingScore
from unlearning_pl.metrics.membership import ClassifierMI, EncoderMI, MembershipAUC, TPRAtFPR
from unlearning_pl.metrics.shadow_models import KLOM
from unlearning_pl.metrics.similarity import LinearCKA

__all__ = ["KLOM", "ClassifierMI", "EncoderMI", "ForgettingScore", "LinearCKA", "MembershipAUC", "TPRAtFPR"]
