"""Logging of loss terms."""

from lightning.pytorch import LightningModule
from torch import Tensor

from unlearning_pl.learners.epoch_terms import EpochTerms


def log_term(module: LightningModule, name: str, value: Tensor, rows: int, prog_bar: bool = False) -> None:
    """Log the epoch mean of a loss term as ``train/<name>``; ``rows`` is the number of rows that it averages over.

    A learner adds up its terms on the device and logs them with the last step of the epoch: Lightning's own ``log``
    costs more than all other bookkeeping of a step.
    """
    terms = getattr(module, "epoch_terms", None)
    if isinstance(terms, EpochTerms):
        terms.add(name, value, rows, prog_bar)
    else:
        _log_mean(module, name, value.detach(), rows, prog_bar)


def log_epoch_terms(module: LightningModule, terms: EpochTerms) -> None:
    """Log the means of an epoch, and reset them."""
    for name, (mean, rows) in terms.take().items():
        _log_mean(module, name, mean, rows, name in terms.shown)


def _log_mean(module: LightningModule, name: str, value: Tensor, rows: int, prog_bar: bool) -> None:
    module.log(f"train/{name}", value, on_step=False, on_epoch=True, prog_bar=prog_bar, batch_size=rows, sync_dist=True)
