"""Preview of a forget request before any training, and requests chosen by a model."""

from unlearning_pl.splitting.preview import Preview, preview

__all__ = ["Preview", "preview"]
