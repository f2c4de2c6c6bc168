"""Settings of verdicts that no test can honour are refused."""

import math

import pytest

from unlearning_pl.audits.verdict_settings import VerdictSettings
from unlearning_pl.errors import InputError


@pytest.mark.parametrize("value", [0.0, 0.5, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["level", "margin"])
def test_a_number_that_is_no_fraction_below_a_half_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"Expected {name} above 0 and below 0.5.*, got {value}. 0.05 is usual."):
        VerdictSettings(**{name: value})
