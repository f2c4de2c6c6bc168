"""Black-box models that only return vectors: encoders, an embedding server, and an owner's audit."""

from unlearning_pl.blackbox.encoder import Encoder, Pixels
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.image_folder import open_owner_images
from unlearning_pl.blackbox.owner_audit import audit_images
from unlearning_pl.blackbox.server import EmbeddingServer

__all__ = ["EmbeddingServer", "Encoder", "Pixels", "audit_images", "open_encoder", "open_owner_images"]
