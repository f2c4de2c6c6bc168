"""A forget request looked at before anything is trained."""

from unlearning_pl.splitting.preview import Preview, preview

__all__ = ["Preview", "preview"]
