"""Recall against torchmetrics, query by query, and what must hold of ranks."""

import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.retrieval import retrieval_hit_rate

from unlearning_pl.functional.retrieval import image_to_text_ranks, recall_at_k, text_to_image_ranks

N, K, E = 12, 3, 6


@pytest.fixture
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(N, E)
    return images, images[:, None] + 1.5 * torch.randn(N, K, E)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_recall_is_the_mean_hit_rate_of_all_queries(pairs: tuple[torch.Tensor, torch.Tensor], k: int) -> None:
    images, captions = pairs
    index, owner = torch.arange(N), torch.arange(N).repeat_interleave(K)
    flat = captions.flatten(0, 1)
    similarity = F.normalize(images, dim=1) @ F.normalize(flat, dim=1).T
    forth = [retrieval_hit_rate(similarity[i], owner == i, top_k=k) for i in range(N)]
    back = [retrieval_hit_rate(similarity[:, j], index == owner[j], top_k=k) for j in range(N * K)]
    ranks = image_to_text_ranks(images, captions, index, flat, owner)
    assert recall_at_k(ranks, k).item() == pytest.approx(100 * float(torch.stack(forth).mean()))
    ranks = text_to_image_ranks(flat, images[owner], owner, images, index)
    assert recall_at_k(ranks, k).item() == pytest.approx(100 * float(torch.stack(back).mean()))
    assert 0 < recall_at_k(ranks, k) < 100  # there was something to tell


def test_captions_that_there_are_not_count_for_nothing(pairs: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, captions = pairs
    index, owner, others = torch.arange(N), torch.arange(N, 2 * N), torch.randn(N, E)
    short = captions.clone()
    short[:, 1:] = torch.nan
    expected = image_to_text_ranks(images, captions[:, :1], index, others, owner)
    assert torch.equal(image_to_text_ranks(images, short, index, others, owner), expected)


def test_a_model_that_tells_nothing_apart_finds_nothing() -> None:
    same, index = torch.ones(100, E), torch.arange(100)
    ranks = text_to_image_ranks(same, same, index, same, index)
    assert torch.equal(ranks, torch.full((100,), 1 + 99 / 2, dtype=torch.float64))
    assert recall_at_k(ranks, 10) == 0


def test_many_queries_are_ranked_as_few_are() -> None:
    images, captions = torch.randn(1500, E), torch.randn(1500, E)
    index = torch.arange(1500)
    ranks = text_to_image_ranks(captions, images, index, images, index)
    for row in (0, 1023, 1024, 1499):
        alone = text_to_image_ranks(captions[row : row + 1], images[row : row + 1], index[row : row + 1], images, index)
        assert ranks[row] == alone
