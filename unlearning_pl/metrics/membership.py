"""Membership inference metrics: EncoderMI, classifier MI, ROC AUC and true positive rate.

Letters: B rows of a batch, V views, D dimensions of an embedding, K classes.
"""

from typing import Any, Literal

from torch import Tensor
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.functional import threshold_attack
from unlearning_pl.functional.confidence import confidence
from unlearning_pl.functional.learned_attacks import svc_attack
from unlearning_pl.functional.roc import membership_auc, tpr_at_fpr
from unlearning_pl.metrics.row_metric import RowMetric

AuditSplit = Literal["forget", "retain", "test"]
"""Split of a batch: images to forget, retained images (members), or images never trained on (non-members)."""


class SplitScores(RowMetric):
    """Base class of metrics of one score per forget, retain and test image."""

    names = ("forget", "retain", "test")

    def score_sets(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of forget, and of retain and test cut to equal sizes by rank, independent of their order."""
        return self.rows("forget"), *threshold_attack.equal_sizes_by_rank(self.rows("retain"), self.rows("test"))


class EncoderMI(SplitScores):
    """EncoderMI (EMIA): percent of forget images that a threshold attack classifies as non-members, by MUC's protocol.

    As input to ``update`` the metric accepts:

    - ``views`` (:class:`~torch.Tensor`): Embeddings of V augmented copies of each image, ``(B, V, D)``, V >= 2.
    - ``split`` (``str``): "forget", "retain" or "test".

    As output of ``compute``: a scalar in [0, 100], see
    :func:`unlearning_pl.functional.threshold_attack.encoder_mi`; the larger of retain and test is cut to the size of
    the smaller.

    Example:
        >>> import torch
        >>> metric, alike = EncoderMI(), torch.ones(4, 2, 3)
        >>> for split, views in {"forget": alike, "retain": alike, "test": alike * torch.eye(3)[:2]}.items():
        ...     metric.update(views, split)
        >>> metric.compute()
        tensor(0.)
    """

    @override
    def update(self, views: Tensor, split: AuditSplit) -> None:
        self.keep(split, threshold_attack.encoder_score(threshold_attack.pair_similarities(views)))

    @override
    def compute(self) -> Tensor:
        return threshold_attack.encoder_mi(*self.score_sets())


class ClassifierMI(SplitScores):
    """Classifier MI (CMIA): percent of forget images that an SVC on the true-class confidence classifies as unseen.

    As input to ``update`` the metric accepts:

    - ``probabilities`` (:class:`~torch.Tensor`): Class probabilities, ``(B, K)``.
    - ``target`` (:class:`~torch.Tensor`): True class of each image, ``(B,)`` int64.
    - ``split`` (``str``): "forget", "retain" or "test".

    As output of ``compute``: a scalar in [0, 100], see :func:`unlearning_pl.functional.learned_attacks.svc_attack`; the
    larger of retain and test is cut to the size of the smaller.

    Example:
        >>> import torch
        >>> metric, sure, torn = ClassifierMI(), torch.tensor([[1.0, 0.0]] * 4), torch.full((4, 2), 0.5)
        >>> for split, answers in {"forget": torn, "retain": sure, "test": torn}.items():
        ...     metric.update(answers, torch.zeros(4, dtype=torch.long), split)
        >>> metric.compute()
        tensor(100.)
    """

    @override
    def update(self, probabilities: Tensor, target: Tensor, split: AuditSplit) -> None:
        self.keep(split, confidence(probabilities, target))

    @override
    def compute(self) -> Tensor:
        return svc_attack(*self.score_sets())


class MembershipAUC(RowMetric):
    """Membership AUC: area under the ROC curve of a membership score.

    As input to ``update`` the metric accepts:

    - ``scores`` (:class:`~torch.Tensor`): ``(B,)``, high for a member.
    - ``member`` (:class:`~torch.Tensor`): Whether each image counts as a member, ``(B,)`` bool.

    As output of ``compute``: a scalar in [0, 1], see :func:`unlearning_pl.functional.roc.membership_auc`.

    Example:
        >>> import torch
        >>> metric = MembershipAUC()
        >>> metric.update(torch.tensor([0.9, 0.4, 0.5, 0.4]), torch.tensor([True, True, False, False]))
        >>> metric.compute()
        tensor(0.6250)
    """

    names = ("members", "non_members")

    @override
    def update(self, scores: Tensor, member: Tensor) -> None:
        self.keep("members", scores[member.bool()])
        self.keep("non_members", scores[~member.bool()])

    @override
    def compute(self) -> Tensor:
        return membership_auc(self.rows("members"), self.rows("non_members"))


class TPRAtFPR(MembershipAUC):
    """True positive rate (TPR) of a membership score at a bounded false positive rate.

    ``update`` is that of :class:`MembershipAUC`. As output of ``compute``: a scalar in [0, 1], see
    :func:`unlearning_pl.functional.roc.tpr_at_fpr`.

    Args:
        rate: Largest false positive rate, in [0, 1].
        options: Keyword arguments of ``torchmetrics.Metric``.

    Example:
        >>> import torch
        >>> metric = TPRAtFPR(0.5)
        >>> metric.update(torch.tensor([0.9, 0.4, 0.5, 0.4]), torch.tensor([True, True, False, False]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def __init__(self, rate: float = 0.01, **options: Any) -> None:
        super().__init__(**options)
        require(0 <= rate <= 1, f"Expected a false positive rate in [0, 1], got {rate}. Give 0.01 for one percent.")
        self.rate = rate

    @override
    def compute(self) -> Tensor:
        return tpr_at_fpr(self.rows("members"), self.rows("non_members"), self.rate)
