"""Fine-tuning on what stays."""

from unlearning_pl.methods.unlearner import Unlearner


class FineTune(Unlearner):
    r"""Go on training on the retain set, and hope that the rest fades: the baseline of every paper.

    .. math:: L = \frac{1}{|R|} \sum_{i \in R} l_i

    No forget sample is read. Published ranges: 10 epochs, learning rate 0.003 to 0.03 (MUC's scripts, arXiv
    2406.03603).
    """

    feed = ("retain",)
