"""Display name, unit and explanation of one metric: a row of the table of metrics."""

from typing import NamedTuple


class Term(NamedTuple):
    """Display name, unit and explanation of a metric.

    Attributes:
        key: Key in :attr:`unlearning_pl.audits.embeddings.Audit.metrics`.
        title: Name in words.
        letters: Abbreviation in the papers, or an empty string.
        unit: Printed after the value.
        digits: Number of decimals printed.
        meaning: Explanation in one sentence, with the direction.
        share: Whether the schema restricts it to [0, 1]; percentages are restricted to [0, 100] in any case.
        compared: Whether its distance to the retrained model is meaningful.
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
        """Format a value with its unit; "not defined" for None.

        Example:
            >>> term = Term("retain_accuracy", "Retain accuracy", "RA", " %", 1, "")
            >>> term.text(93.25), term.text(None)
            ('93.2 %', 'not defined')
        """
        return "not defined" if value is None else f"{value:.{self.digits}f}{self.unit}"

    def interval(self, ends: tuple[float, float] | None) -> str:
        """Format a confidence interval; an empty string for None.

        Example:
            >>> Term("membership_auc", "Membership AUC", "", "", 3, "").interval((0.481, 0.6))
            '0.481 to 0.600'
        """
        return "" if ends is None else f"{ends[0]:.{self.digits}f} to {ends[1]:.{self.digits}f}"
