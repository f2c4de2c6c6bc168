"""Fine-tuning on the retain set."""

from unlearning_pl.methods.unlearner import Unlearner


class FineTune(Unlearner):
    r"""Fine-tuning (FT): continue training on the retain set, so that the forget set fades; every paper's baseline.

    .. math:: L = \frac{1}{|R|} \sum_{i \in R} l_i

    Reads the retain stream only. Published ranges: 10 epochs, learning rate 0.003 to 0.03 (MUC's scripts, arXiv
    2406.03603).
    """

    feed = ("retain",)
