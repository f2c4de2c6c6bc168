"""``${...}`` is refused wherever it would become part of a path or a setting, and is text in a name."""

from typing import Any

import pytest

from unlearning_pl.cli.interpolation import refuse_interpolation
from unlearning_pl.errors import InputError


@pytest.mark.parametrize(
    "settings",
    [
        {"run": "${oc.env:USER}"},
        {"data": {"source": {"init_args": {"train": "${DATA}/train"}}}},
        {"data": {"forget": {"file": "${HOME}/ids.txt"}}},
        {"trainer": {"callbacks": [{"init_args": {"monitor": "${x}"}}]}},
    ],
)
def test_no_setting_is_interpolated(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"Expected settings without \$\{...\}, got "):
        refuse_interpolation(settings)


@pytest.mark.parametrize("field", ["classes", "ids", "where"])
def test_a_name_may_look_like_one(field: str) -> None:
    refuse_interpolation({"data": {"forget": {field: ["${cat}"]}}, "forget": {field: "${cat}"}})
    refuse_interpolation({"forget": {"per_class": {"${cat}": 3}}})
