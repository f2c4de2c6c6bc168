"""The words, letters and units of each metric, as tables and reports print them."""

from typing import NamedTuple


class Term(NamedTuple):
    """How a metric is shown to people.

    Attributes:
        key: Key in :attr:`unlearning_pl.audits.base.Audit.metrics`.
        title: Name in words.
        letters: The papers' abbreviation, or nothing.
        unit: Printed after the value.
        digits: Decimals printed.
        meaning: What it says and in which direction, in one sentence.
    """

    key: str
    title: str
    letters: str
    unit: str
    digits: int
    meaning: str

    def text(self, value: float | None) -> str:
        """The value as printed; "not defined" where there is none.

        Example:
            >>> TERMS[0].title, TERMS[0].text(93.25), TERMS[0].text(None)
            ('Retain accuracy', '93.2 %', 'not defined')
        """
        return "not defined" if value is None else f"{value:.{self.digits}f}{self.unit}"


TERMS = (
    Term("retain_accuracy", "Retain accuracy", "RA", " %", 1, "Class named correctly, images that stay."),
    Term("test_accuracy", "Test accuracy", "TA", " %", 1, "Class named correctly, images never seen."),
    Term(
        "forget_accuracy",
        "Forget accuracy",
        "UA",
        " %",
        1,
        "Class named correctly, images to forget. MUC calls it UA; CoUn and SalUn call 100 minus it UA.",
    ),
    Term(
        "encoder_mi",
        "Forget images taken for unseen",
        "EMIA",
        " %",
        1,
        "EncoderMI: a membership attack calls this share of the images to forget non-members.",
    ),
    Term(
        "average_gap",
        "Average gap",
        "",
        "",
        2,
        "Mean distance to the retrained model over RA, TA, UA and EMIA, in points.",
    ),
    Term(
        "membership_auc",
        "Membership AUC, forget against test",
        "",
        "",
        3,
        "How well an attacker tells images to forget from unseen ones: 0.5 not at all, 1 always; below 0.5 "
        "they look less familiar than images never seen.",
    ),
    Term(
        "membership_auc_retain",
        "Membership AUC, retain against test",
        "",
        "",
        3,
        "The same for images that stay: how much this model reveals of its training data at all.",
    ),
    Term(
        "tpr_at_1_fpr",
        "Forget images found at 1 % false alarms",
        "",
        " %",
        1,
        "True positive rate at 1 % false positives.",
    ),
    Term(
        "tpr_at_0.1_fpr",
        "Forget images found at 0.1 % false alarms",
        "",
        " %",
        1,
        "True positive rate at 0.1 % false positives.",
    ),
    Term(
        "retain_knn",
        "Retain accuracy, nearest neighbours",
        "",
        " %",
        1,
        "Vote of the 20 most similar other retain images.",
    ),
    Term(
        "test_knn",
        "Test accuracy, nearest neighbours",
        "",
        " %",
        1,
        "Vote of the 20 most similar retain images.",
    ),
    Term(
        "forget_knn",
        "Forget accuracy, nearest neighbours",
        "",
        " %",
        1,
        "Vote of the 20 most similar retain images.",
    ),
    Term(
        "forget_alignment",
        "Alignment of forget images",
        "",
        "",
        3,
        "Cosine similarity of two views of the same image.",
    ),
    Term(
        "forgetting_score",
        "Forgetting score",
        "",
        "",
        3,
        "Alignment of forget images lost since the original model.",
    ),
    Term("seconds", "Time", "", " s", 1, "Wall-clock seconds of training or unlearning."),
    Term(
        "speed_up",
        "Speed-up over retraining",
        "",
        "x",
        1,
        "Seconds of retraining divided by seconds of this model.",
    ),
)
"""All metrics, in the order of the report."""

BY_KEY = {term.key: term for term in TERMS}
"""The same by key."""

COLUMNS = (
    ("RA %", "retain_accuracy"),
    ("TA %", "test_accuracy"),
    ("UA %", "forget_accuracy"),
    ("EMIA %", "encoder_mi"),
    ("AUC", "membership_auc"),
    ("Gap", "average_gap"),
    ("Seconds", "seconds"),
    ("Speed-up", "speed_up"),
)
"""Heading and key of the metrics that fit into a table of one row a model."""
