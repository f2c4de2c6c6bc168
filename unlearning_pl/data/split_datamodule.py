"""A source whose images are split for a forget request.

Letters: N images, K classes, T descriptions of a class, L tokens of a description.
"""

from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch import Tensor

from unlearning_pl.data.captions import tokenize
from unlearning_pl.data.pool import Pool
from unlearning_pl.data.sources.source import Source
from unlearning_pl.data.sources.template_captions import template_captions
from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.splits.forget_split import Splits, make_splits, with_request
from unlearning_pl.data.splits.manifest import read_manifest
from unlearning_pl.deprecated.names import REMOVED
from unlearning_pl.deprecated.old_attributes import RenamedAttributes, without_removed
from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.packed_strings import PackedStrings
from unlearning_pl.images.shared_pixels import trim_memory
from unlearning_pl.types import Split


@without_removed(REMOVED)
class SplitDataModule(RenamedAttributes, LightningDataModule):
    """A pool of images that is read once, and the positions of each split in it.

    Args:
        source: Source of the images.
        forget: Which images to forget.
        validation: Fraction of the training images to hold out, in [0, 1).
    """

    pool: Pool

    def __init__(self, source: Source, forget: ForgetRequest, validation: float) -> None:
        super().__init__()
        self.source, self.forget, self.validation = source, forget, validation
        self._loaded: tuple[ImageSet, ImageSet] | None = None
        self._splits: Splits | None = None

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Read the training and test images, once."""
        if self._loaded is None:
            self._loaded = self.source.load()
            trim_memory()  # that the encoded images took
            self.pool = Pool(*self._loaded, self.source)
        return self._loaded

    @property
    def splits(self) -> Splits:
        """Positions of every split, drawn once for the request."""
        if self._splits is None:
            self._splits = make_splits(*self.load(), self.forget, self.validation)
            trim_memory()  # that the fingerprint took
        return self._splits

    def load_split(self, manifest: str | Path) -> None:
        """Use the split of an earlier run.

        Raises:
            InputError: If the manifest was written for other data.
        """
        self._splits = read_manifest(manifest, *self.load())

    def verify_split(self, manifest: str | Path) -> None:
        """Check that the split of an earlier run, which is to be resumed, is this one.

        Raises:
            InputError: If it was written for other data, another request or another validation fraction.
        """
        require(
            self.splits == read_manifest(manifest, *self.load()),
            f"Expected the request and the validation fraction of {manifest} when resuming, got other ones. "
            "Repeat them, or start a new run.",
        )

    def request(self, forget: ForgetRequest, further: bool = False) -> None:
        """Replace the forget request, or with ``further`` add a request on top of it."""
        self._splits = with_request(self.splits, *self.load(), forget, further)

    def positions(self, split: Split) -> Tensor:
        """Positions of a split in the pool, ``(N,)`` int64; ``forgotten`` and retain make ``train``."""
        positions: Tensor = getattr(self.splits, split)
        return positions

    @property
    def ids(self) -> PackedStrings:
        """Id of every image of the pool."""
        self.load()
        return self.pool.ids

    @property
    def class_names(self) -> list[str]:
        """Name of every class."""
        return self.load()[0].class_names

    def prompts(self, context_length: int | None) -> Tensor | None:
        """Tokens of the descriptions of each class, ``(K, T, L)``; None without classes or a text learner."""
        if context_length is None or not self.class_names:
            return None
        descriptions = template_captions(self.class_names, self.source.templates)
        tokens = tokenize([text for texts in descriptions for text in texts], context_length)
        return tokens.long().view(len(descriptions), len(descriptions[0]), -1)
