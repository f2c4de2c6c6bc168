"""CLIP.

Letters: B rows of a batch, L tokens of a caption, E width of the embeddings.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.distributed.collectives import gather_with_indices
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import symmetric_info_nce
from unlearning_pl.functional.permutations import differing_partner
from unlearning_pl.learners.contrastive_learner import ContrastiveLearner, Pair
from unlearning_pl.learners.open_clip_towers import build_towers, pretrained_path
from unlearning_pl.types import Batch, Sample


class CLIP(ContrastiveLearner):
    """CLIP (contrastive language-image pretraining): classify each image's caption among the batch, and the reverse.

    Radford et al., ICML 2021, arXiv 2103.00020; the towers and tokens are open_clip's. Negatives are gathered over
    processes; the loss of a pair is the mean of both directions. The scale of the similarities, 1 / temperature, is
    learned and clamped to [1, 100], as in the paper. ``outputs`` are the embeddings of an image's first view and of
    its caption. Audits read the image's embedding as its features.

    Args:
        model: ``RN-slim`` (64 pixels) or ``ViT-slim`` (32 pixels), which train on a CPU, or the name of an open_clip
            model, whose images are normalised as for its published weights, see
            :func:`~unlearning_pl.learners.open_clip_towers.tower_preprocessing`.
        image_size: Height and width of the images; the model's own size if None.
        temperature: Initial softmax temperature, from 0.01 to 1.

    Raises:
        InputError: If the temperature is out of range, open_clip is not installed or the model does not exist.
    """

    num_views, compares_rows, weight_decay_on = 1, True, "matrices"  # as open_clip decays
    logit_scale: nn.Parameter

    def __init__(self, model: str = "RN-slim", image_size: int | None = None, temperature: float = 0.07) -> None:
        require(0.01 <= temperature <= 1, f"Expected temperature from 0.01 to 1, got {temperature}. CLIP uses 0.07.")
        towers = build_towers(model, image_size)
        super().__init__(towers.image, towers.width)
        self.save_hyperparameters()
        self.text_encoder, self.context_length, self.pixels = towers.text, towers.context_length, towers.pixels
        self.projection_head = nn.Identity()  # open_clip's towers include theirs
        self.logit_scale = nn.Parameter(torch.tensor([-math.log(temperature)]))  # FSDP rejects scalars

    @property
    def temperature(self) -> Tensor:  # type: ignore[override]  # it is learned
        """Softmax temperature, ``()``."""
        return torch.exp(-self.logit_scale).squeeze()

    @override
    def embed_text(self, tokens: Tensor) -> Tensor:
        embedding: Tensor = self.text_encoder(tokens)
        return embedding

    @override
    def outputs(self, sample: Sample) -> Pair:
        assert sample.text is not None, "the data module gives captions to a learner with a context_length"
        return self.embed(sample.views[0]), self.embed_text(sample.text)

    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Pair, Pair]:
        """Outputs, and those of the last rows with the captions of ``others``; an image is embedded once."""
        assert sample.text is not None
        assert others.text is not None
        rows, last = len(sample.index), len(others.index)
        image = self.embed(sample.views[0])
        text, other = torch.split(self.embed_text(torch.cat([sample.text, others.text])), [rows, last])
        return (image, text), (image[rows - last :], other)

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        return symmetric_info_nce(*outputs, self.temperature, gather_with_indices, self.names(sample))

    @override
    def corrupt_targets(self, sample: Sample, partners: Sample | None = None) -> Sample:
        """Replace the caption of each image by that of the same row of ``partners``.

        Without ``partners`` each image gets the caption of another image of the sample, a different one if there is.
        """
        assert sample.text is not None
        if partners is None:
            _, texts = torch.unique(sample.text, dim=0, return_inverse=True)
            partners = sample.take(differing_partner(texts))
        return sample._replace(text=partners.text)

    @override
    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        with torch.no_grad():
            self.logit_scale.clamp_(0, math.log(100))

    @override
    def pretrained_path(self, name: str) -> str | None:
        return pretrained_path(self.hparams["model"], name)
