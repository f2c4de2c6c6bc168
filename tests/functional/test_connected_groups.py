import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.functional.connected_groups import connected_groups


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=3), max_size=15))
def test_equals_merging_sets_that_meet(values: list[set[int]]) -> None:
    groups = [({item}, set(found)) for item, found in enumerate(values)]
    merged = True
    while merged:
        merged = False
        for i, (items, found) in enumerate(groups):
            for more, others in groups[i + 1 :]:
                if found & others:
                    groups[i] = (items | more, found | others)
                    groups.remove((more, others))
                    merged = True
                    break
            if merged:
                break
    pairs = [(item, value) for item, found in enumerate(values) for value in found]
    item, value = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    expected = {item: min(items) for items, _ in groups for item in items}
    assert connected_groups(item, value, len(values)).tolist() == [expected[i] for i in range(len(values))]


def test_a_long_chain_is_one_group() -> None:
    links = torch.arange(1000)
    item, value = torch.cat([links, links + 1]), torch.cat([links, links])
    order = torch.randperm(len(item))
    assert (connected_groups(item[order], value[order], 1001) == 0).all()
