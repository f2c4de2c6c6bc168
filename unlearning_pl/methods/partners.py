"""Partners whose targets forget samples get in place of their own.

Letters: N images, n forget rows of a step.
"""

from typing import Literal

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.functional.permutations import differing_partner, draw_differing
from unlearning_pl.learners import Learner
from unlearning_pl.types import Batch

_SHARED = {
    "caption": "Captions in common link all images to forget",
    "class": "All images to forget are of one class",
}


def target_kind(learner: Learner) -> Literal["caption", "class", "image"]:
    """What an image's target is: its caption, its class, or another view of the image.

    A module that is no :class:`~unlearning_pl.learners.Learner` has a class as its target if a step needs one view.
    """
    if getattr(learner, "context_length", None) is not None:
        return "caption"
    return "class" if getattr(learner, "knows_classes", learner.num_views == 1) else "image"


def target_keys(learner: Learner, data: UnlearningData) -> Tensor:
    """Keys of the training images' targets, ``(N,)`` int64: a target is wrong for every image with another key.

    Images with a caption in common have one key, since a caption of either may be drawn.
    """
    kind = target_kind(learner)
    if kind == "caption":
        assert learner.context_length is not None
        return data.pool.text(learner.context_length).groups()
    train, _ = data.load()
    return train.targets if kind == "class" else torch.arange(len(train.targets))


class Partners:
    """Partners of forget samples, drawn anew in each step: other forget samples, whose target differs.

    If all images to forget share one target, the partners are retain samples. A sample from which neither differs has
    no partner.

    Args:
        learner: The learner, which determines what a target is.
        data: The data with its splits.
    """

    def __init__(self, learner: Learner, data: UnlearningData) -> None:
        self.keys = target_keys(learner, data)
        forget, retain = data.positions("forget"), data.positions("retain")
        shared = len(forget) > 0 and bool((self.keys[forget] == self.keys[forget[0]]).all())
        self.lenders = retain if shared else forget
        if shared:
            exist = bool((self.keys[retain] != self.keys[forget[0]]).any())
            reason = "There is one image to forget" if len(forget) == 1 else _SHARED[target_kind(learner)]
            rank_zero_warn(
                f"{reason}: "
                + ("retained images are their partners." if exist else "they have no partner and are not mismatched.")
            )

    def in_batch(self, batch: Batch) -> Tensor:
        """Draw a partner of each forget row of a step, among the forget rows first.

        Returns:
            Row of each partner in the joint batch of retain and forget rows, ``(n,)`` int64; its own without one.
        """
        retain, forget = batch["retain"].index, batch["forget"].index
        partner = differing_partner(self._keys(forget), self._keys(retain))
        return torch.where(partner < len(forget), partner + len(retain), partner - len(forget))

    def in_data(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a partner of each forget row among all images to forget, or all retained ones.

        Args:
            index: Positions of the rows, ``(n,)`` int64.

        Returns:
            Positions of the partners, ``(n,)`` int64, and a mask of the rows that have one, ``(n,)`` bool.
        """
        self.lenders = self.lenders.to(index.device)
        drawn, missing = draw_differing(self._keys(index), self._keys(self.lenders))
        return self.lenders[drawn].where(~missing, index), ~missing

    def _keys(self, index: Tensor) -> Tensor:
        if self.keys.device != index.device:
            self.keys = self.keys.to(index.device)
        return self.keys[index]
