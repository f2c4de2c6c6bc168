"""Tables of a preview."""

import pytest
import torch
from rich.console import Console

from unlearning_pl.functional.duplicates import near_duplicates
from unlearning_pl.splitting.preview import Preview
from unlearning_pl.splitting.preview_table import tables


@pytest.mark.parametrize(("classes", "title"), [(21, "1 more class "), (23, "3 more classes ")])
def test_the_rest_of_many_classes_is_summed(classes: int, title: str) -> None:
    none = near_duplicates(torch.eye(1), torch.zeros(2, 1), 0.97)
    rows = [(f"class-{number}", 1, 2) for number in range(classes)]
    found = Preview({"count": 1}, ["a"], {"retain": 2, "forget": 1}, rows, [], none, ["b", "c"], 0.97, "pixels")
    with (console := Console(width=100)).capture() as capture:
        console.print(*tables(found))
    (line,) = (line for line in capture.get().splitlines() if title in line)
    assert line.split()[-3:] == [str(classes - 20), str(2 * (classes - 20)), "50.0"]
