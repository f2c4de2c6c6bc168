"""The table of an owner's audit."""

import torch

from unlearning_pl.audits import Audit
from unlearning_pl.blackbox.owner_conclusion import owner_table


def test_the_model_after_unlearning_is_the_first_row() -> None:
    audits = [Audit(name, {}, {}, torch.zeros(0, 0)) for name in ("original", "retrained", "after")]
    names = [str(cell) for cell in owner_table(audits).columns[0].cells]
    assert names == ["after", "original", "retrained"]
