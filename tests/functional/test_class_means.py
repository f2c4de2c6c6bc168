import pytest
import torch

from unlearning_pl.functional.class_means import means_by_class, sums_by_class


def test_equals_plain_loops() -> None:
    rows, classes = torch.randn(40, 3).double(), torch.randint(6, (40,))
    classes[classes == 2] = 5  # nobody is of class 2
    sums = sum(sums_by_class(rows[part], classes[part], 6) for part in (slice(25), slice(25, None)))
    assert sums[:, -1].tolist() == [sum(c == k for c in classes.tolist()) for k in range(6)]
    for k, found in enumerate(means_by_class(sums).tolist()):
        own = [row for row, c in zip(rows.tolist(), classes.tolist(), strict=True) if c == k or k == 2]
        assert found == pytest.approx([sum(column) / len(own) for column in zip(*own, strict=True)])
