"""Terms of a loss as curves."""

from lightning.pytorch import LightningModule
from torch import Tensor


def log_term(module: LightningModule, name: str, value: Tensor, rows: int, prog_bar: bool = False) -> None:
    """Log the epoch's mean of a term of the loss as ``train/<name>``; ``rows`` is how many it was averaged over."""
    module.log(
        f"train/{name}",
        value.detach(),
        on_step=False,
        on_epoch=True,
        prog_bar=prog_bar,
        batch_size=rows,
        sync_dist=True,
    )
