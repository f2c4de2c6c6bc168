"""Logging of loss terms."""

from lightning.pytorch import LightningModule
from torch import Tensor


def log_term(module: LightningModule, name: str, value: Tensor, rows: int, prog_bar: bool = False) -> None:
    """Log the epoch mean of a loss term as ``train/<name>``; ``rows`` is the number of rows that it averages over."""
    module.log(
        f"train/{name}",
        value.detach(),
        on_step=False,
        on_epoch=True,
        prog_bar=prog_bar,
        batch_size=rows,
        sync_dist=True,
    )
