"""Joins the batches that the processes of an audit have embedded."""

from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor, distributed

from unlearning_pl.audits.embeddings import Embeddings

BatchEmbeddings = dict[str, Tensor | None]
"""Fields of :class:`~unlearning_pl.audits.embeddings.Embeddings` for the rows of a batch."""


def gather_batches(own: list[list[list[BatchEmbeddings]]]) -> list[list[list[BatchEmbeddings]]]:
    """Gather the batches of every split in order on rank 0: process r of W has batches r, r + W, ...

    Args:
        own: This process's batches by split, each with the fields of every model.

    Example:
        >>> gather_batches([[], []])
        [[], []]
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return own
    first = distributed.get_rank() == 0
    received: list[Any] | None = [None] * distributed.get_world_size() if first else None
    distributed.gather_object(own, received)
    rounds = [zip_longest(*split) for split in zip(*(received or []), strict=True)]
    return [[batch for batch in chain.from_iterable(split) if batch is not None] for split in rounds]


def concat_batches(batches: list[BatchEmbeddings], labelled: bool) -> Embeddings:
    """Concatenate the batches of a split; without labels all targets are -1.

    Example:
        >>> fields = ("index", "target", "features", "similarities", "anchor", "positive")
        >>> concat_batches([dict.fromkeys(fields, torch.zeros(2)), dict.fromkeys(fields, torch.ones(1))], True).index
        tensor([0., 0., 1.])
    """
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    joined: dict[str, Any] = {
        name: None if value[0] is None else torch.cat([part for part in value if part is not None])
        for name, value in columns.items()
    }
    if not labelled:
        joined["target"] = torch.full_like(joined["target"], -1)
    return Embeddings(**joined)
