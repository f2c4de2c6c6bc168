"""How one metric is shown to people: a row of the table of terms."""

from typing import NamedTuple


class Term(NamedTuple):
    """How a metric is shown to people.

    Attributes:
        key: Key in :attr:`unlearning_pl.audits.embeddings.Audit.metrics`.
        title: Name in words.
        letters: The papers' abbreviation, or nothing.
        unit: Printed after the value.
        digits: Decimals printed.
        meaning: What it says and in which direction, in one sentence.
        share: Whether the schema holds it between 0 and 1; percentages are held between 0 and 100 anyway.
        compared: Whether its distance to the retrained model says anything.
    """

    key: str
    title: str
    letters: str
    unit: str
    digits: int
    meaning: str
    share: bool = False
    compared: bool = True

    def text(self, value: float | None) -> str:
        """The value as printed; "not defined" where there is none.

        Example:
            >>> term = Term("retain_accuracy", "Retain accuracy", "RA", " %", 1, "")
            >>> term.text(93.25), term.text(None)
            ('93.2 %', 'not defined')
        """
        return "not defined" if value is None else f"{value:.{self.digits}f}{self.unit}"

    def interval(self, ends: tuple[float, float] | None) -> str:
        """A confidence interval as printed; empty where there is none.

        Example:
            >>> Term("membership_auc", "Membership AUC", "", "", 3, "").interval((0.481, 0.6))
            '0.481 to 0.600'
        """
        return "" if ends is None else f"{ends[0]:.{self.digits}f} to {ends[1]:.{self.digits}f}"
