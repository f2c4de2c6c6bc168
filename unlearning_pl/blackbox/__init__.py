"""Black boxes: models of which only vectors are known, the server that gives them, and an owner's audit of them."""

from unlearning_pl.blackbox.base import Encoder, Pixels
from unlearning_pl.blackbox.encoders import open_encoder
from unlearning_pl.blackbox.owner import audit_images
from unlearning_pl.blackbox.pictures import open_pictures
from unlearning_pl.blackbox.server import EmbeddingServer

__all__ = ["EmbeddingServer", "Encoder", "Pixels", "audit_images", "open_encoder", "open_pictures"]
