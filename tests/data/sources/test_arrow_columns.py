"""Values of typed columns keep what they say."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from unlearning_pl.data.sources.arrow_columns import column_roles, metadata_values
from unlearning_pl.errors import InputError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1.50", None, "0"], [1.5, None, 0.0]),
        (["12345678901234567890", "-1.5"], ["12345678901234567890.00", "-1.50"]),
        (["100000000000000000000"], [1e20]),
    ],
)
def test_decimals_lose_no_digit(values: list[str | None], expected: list[Any]) -> None:
    column = pa.array([value and Decimal(value) for value in values], pa.decimal128(38, 2))
    assert metadata_values(column) == expected


def test_intervals_of_months_are_no_metadata_and_no_labels() -> None:
    interval = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    table = pa.table({"image": ["a.png"], "wait": interval, "span": pa.array([7], pa.duration("s"))})
    roles = column_roles(table.schema, "a.parquet", "image")
    assert roles.metadata == ("span",)
    assert metadata_values(table["span"]) == ["7"]
    with pytest.raises(InputError, match="Expected a column label: int64 or string"):
        column_roles(pa.table({"image": ["a.png"], "label": interval}).schema, "a.parquet", "image")
