"""Texts in little memory are the texts that were given, wherever they are looked at."""

import gc
import pickle
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning_pl.data import Digits, ImageSet, UnlearningData
from unlearning_pl.images.packed_strings import PackedStrings

lists = st.lists(st.text(st.characters()))  # surrogates too: the name of a file may be no text


@given(lists, lists, lists)
def test_it_behaves_as_the_list_does(first: list[str], second: list[str], third: list[str]) -> None:
    expected, found = first + second + third, PackedStrings(first) + PackedStrings(second) + PackedStrings(third)
    assert list(found) == expected == found[:]
    assert [found[row] for row in range(-len(found), len(found))] == 2 * expected
    assert found[::-2] == expected[::-2]
    assert found == expected
    assert expected == PackedStrings(found)
    assert pickle.loads(pickle.dumps(found)) == expected
    assert (found == third) == (expected == third)
    assert [found[np.int64(row)] for row in range(len(found))] == [found[row] for row in torch.arange(len(found))]
    for row in (len(found), -len(found) - 1):
        with pytest.raises(IndexError):
            found[row]


def test_another_text_or_order_is_not_equal() -> None:
    assert PackedStrings(["a", "b"]) != ["b", "a"]
    assert PackedStrings(["a", "b"]) != ["ab", ""]
    assert PackedStrings(["a"]) != "a"


def test_ids_of_a_run_cost_their_letters_and_eight_bytes_an_image() -> None:
    count = 10_000
    images, targets = torch.zeros(count, 3, 1, 1, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64)
    gc.collect()  # arrays of other tests
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    sets = [ImageSet(images, targets, [f"{part}/{row:08}" for row in range(count)], ["x"]) for part in ("one", "two")]
    both = PackedStrings(sets[0].ids) + PackedStrings(sets[1].ids)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes() - before
    tracemalloc.stop()
    assert both[count - 1 : count + 1] == ["one/00009999", "two/00000000"]
    assert pickle.loads(pickle.dumps(both)) == both
    assert len(pickle.dumps(both)) < 2 * count * (12 + 8) * 1.2
    assert 2 * count * (12 + 8) <= taken < 2 * count * (12 + 8) * 1.2


def test_a_pool_has_the_ids_of_both_sets_in_order() -> None:
    train, test = Digits(train_size=30).load()
    data = UnlearningData(Digits(train_size=30))
    assert data.ids == [*train.ids, *test.ids]
