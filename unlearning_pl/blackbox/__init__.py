"""Black boxes: models of which only vectors are known, the server that gives them, and an owner's audit of them."""

from unlearning_pl.blackbox.encoder import Encoder, Pixels
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.image_folder import open_owner_images
from unlearning_pl.blackbox.owner_audit import audit_images
from unlearning_pl.blackbox.server import EmbeddingServer

__all__ = ["EmbeddingServer", "Encoder", "Pixels", "audit_images", "open_encoder", "open_owner_images"]
