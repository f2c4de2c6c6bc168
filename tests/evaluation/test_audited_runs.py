"""The runs of an audit have names of their own."""

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.evaluation.audited_runs import runs_by_name


def test_references_are_numbered_beside_the_models() -> None:
    named = runs_by_name(["runs/ac"], "runs/o", ["runs/a", "runs/b", "runs/c"])
    assert list(named) == ["original", "retrained", "retrained_2", "retrained_3", "ac"]


@pytest.mark.parametrize("name", ["original", "retrained", "retrained_2", "ac"])
def test_a_model_has_no_name_of_a_reference_or_of_another_model(name: str) -> None:
    with pytest.raises(InputError, match=f"different names, got '{name}'"):
        runs_by_name(["runs/ac", f"other/{name}"], None)
