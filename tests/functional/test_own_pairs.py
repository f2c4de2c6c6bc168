"""Partners' positives in losses whose negatives are the batch: an image's own pair is no negative of it."""

import math
from collections.abc import Callable

import loops
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.functional.contrastive_losses import nt_xent, symmetric_info_nce

Loss = Callable[..., Tensor]
LOSSES = pytest.mark.parametrize(
    ("loss", "in_loops"), [(nt_xent, loops.nt_xent), (symmetric_info_nce, loops.info_nce_both_ways)]
)
KEPT = 3  # rows with their own positives
PARTNERS = [[0, 1, 2, 4, 5, 6, 3], [0, 1, 2, 4, 3, 6, 5], [0, 1, 2, 1, 1, 6, 5], [0, 1, 2, 3, 6, 6, 4]]


def views(n: int = 7, width: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(n, width, dtype=torch.float64), torch.randn(n, width, dtype=torch.float64)


def own(partner: list[int] | Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
    """Images of rows that are different images, and of the partners whose second views they have."""
    return torch.arange(start, start + len(partner)), torch.as_tensor(partner) + start


@LOSSES
@pytest.mark.parametrize(
    ("images", "partner"), [([7, 8, 5, 9, 7], [7, 8, 5, 5, 9]), ([3, 3, 4, 5, 4], [3, 3, 5, 9, 5])]
)
def test_an_image_may_have_two_rows_and_a_partner_a_row(
    loss: Loss, in_loops: Callable[..., list[float]], images: list[int], partner: list[int]
) -> None:
    """Views have the names of images, not of rows: no row of an image is a negative of another row of it."""
    first, lent = views(5)
    found = loss(first, lent, 0.3, images=(torch.tensor(images), torch.tensor(partner)))
    expected = in_loops(first.tolist(), lent.tolist(), 0.3, partner, images)
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@LOSSES
@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equal_the_formula_without_the_own_pair(
    loss: Loss, in_loops: Callable[..., list[float]], partner: list[int], temperature: float
) -> None:
    first, second = views()
    lent = second[partner]
    found = loss(first, lent, temperature, images=own(partner))
    expected = in_loops(first.tolist(), lent.tolist(), temperature, partner)
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@LOSSES
def test_rows_with_their_own_positives_keep_their_loss(loss: Loss, in_loops: object) -> None:
    first, second = views()
    partner = torch.tensor(PARTNERS[0])
    with_own_pairs, without = loss(first, second[partner], 0.2), loss(first, second[partner], 0.2, images=own(partner))
    assert torch.equal(with_own_pairs[:KEPT], without[:KEPT])
    assert (with_own_pairs[KEPT:] > without[KEPT:]).all()
    assert torch.equal(loss(first, second, 0.2, images=own(torch.arange(7))), loss(first, second, 0.2))


@pytest.mark.parametrize("partner", PARTNERS)
def test_the_loss_of_a_row_has_no_gradient_by_the_cosine_of_its_own_pair(partner: list[int]) -> None:
    """Unit vectors with an axis for each pair: moving along it changes that cosine and no other."""
    n, order = len(partner), torch.tensor(partner)
    for loss in (nt_xent, symmetric_info_nce):
        for row in range(KEPT, n):
            push, without = (own_pair_gradient(loss, row, order, drop) for drop in (False, True))
            lends_to_itself_only = partner[row] == row
            assert (abs(push) > 1e-3) == (lends_to_itself_only or row in partner)
            assert without == (push if lends_to_itself_only else 0.0)


def own_pair_gradient(loss: Loss, row: int, partner: Tensor, drop: bool) -> float:
    """Derivative of the loss of a row by the cosine of its own pair, from a table of all cosines."""
    n = len(partner)
    cosine = torch.zeros((), dtype=torch.float64, requires_grad=True)
    base = torch.eye(2 * n, dtype=torch.float64)
    first, second = base[:n], base[n:]
    moved = torch.stack([first[i] for i in range(n)])
    # first[row] = cos * second[row] + sin * itself: only its cosine with its own second view changes
    moved = moved.index_put((torch.tensor(row),), cosine * second[row] + (1 - cosine**2).sqrt() * first[row])
    given = {"images": own(partner)} if drop else {}
    (gradient,) = torch.autograd.grad(loss(moved, second[partner], 0.5, **given)[row], cosine)
    return float(gradient)


@LOSSES
def test_two_processes_see_what_one_sees(loss: Loss, in_loops: object) -> None:
    """A gather function that hands each half of the rows the other half: images have one number on both."""
    first, second = views(8)
    halves = [torch.tensor([0, 1, 3, 2]), torch.tensor([1, 2, 3, 0])]
    partners = torch.cat([halves[0], 4 + halves[1]])
    whole = loss(first, second[partners], 0.3, images=own(partners))
    for rank, partner in enumerate(halves):
        mine = slice(4 * rank, 4 * rank + 4)
        gather, images = Others(loss, first, second, halves, rank), own(partner, 4 * rank)
        found = loss(first[mine], second[mine][partner], 0.3, gather=gather, images=images)
        torch.testing.assert_close(found, whole[mine], rtol=1e-12, atol=0)


class Others:
    """What gather returns on one of two processes, played from recordings of both, call by call."""

    def __init__(self, loss: Loss, first: Tensor, second: Tensor, halves: list[Tensor], rank: int) -> None:
        self.rank, self.calls = rank, 0
        self.recorded: list[list[Tensor]] = [[], []]
        for r, partner in enumerate(halves):
            mine = slice(4 * r, 4 * r + 4)
            loss(first[mine], second[mine][partner], 0.3, gather=self._records(r), images=own(partner, 4 * r))

    def _records(self, r: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        def gather(rows: Tensor) -> tuple[Tensor, Tensor]:
            self.recorded[r].append(rows)
            n = len(rows)
            return torch.cat([rows, rows]), torch.arange(r * n, (r + 1) * n)

        return gather

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        every, n = [recorded[self.calls] for recorded in self.recorded], len(rows)
        every[self.rank] = rows
        self.calls += 1
        return torch.cat(every), torch.arange(self.rank * n, (self.rank + 1) * n)


@LOSSES
def test_partners_of_the_batch_stand_for_partners_of_the_data_set(loss: Loss, in_loops: object) -> None:
    """Where all cosines of different images are equal, l_i does not depend on the own pair, however partners are drawn.

    Mean over all derangements of a batch that is the whole forget set, and over partners that are not in the batch,
    as most of a large forget set are not: equal but for the number of negatives, which is one less per direction.
    """
    n, temperature = 4, 0.2
    one_less = {nt_xent: (2 * n - 1, 2 * n - 2), symmetric_info_nce: (n, n - 1)}[loss]
    for aligned in (0.1, 0.9):
        base = torch.eye(3 * n, dtype=torch.float64)
        first, fresh = base[:n], base[2 * n :]
        second = aligned * first + math.sqrt(1 - aligned**2) * base[n : 2 * n]
        inside = torch.stack([loss(first, second[p], temperature, images=own(p)) for p in derangements(n)]).mean()
        outside = loss(first, fresh, temperature).mean()
        assert float(outside - inside) == pytest.approx(math.log(one_less[0]) - math.log(one_less[1]), abs=1e-12)


def derangements(n: int) -> list[Tensor]:
    every = torch.cartesian_prod(*[torch.arange(n)] * n)
    return [p for p in every if len(set(p.tolist())) == n and (p != torch.arange(n)).all()]


@LOSSES
def test_second_derivatives_are_finite(loss: Loss, in_loops: object) -> None:
    first, second = views()
    first.requires_grad_()
    partner = torch.tensor(PARTNERS[0])
    value = loss(first, second[partner], 0.2, images=own(partner)).sum()
    (gradient,) = torch.autograd.grad(value, first, create_graph=True)
    (further,) = torch.autograd.grad(F.mse_loss(gradient, torch.zeros_like(gradient)), first)
    assert torch.isfinite(further).all()
