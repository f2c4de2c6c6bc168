"""Weights without a run are an encoder with the preprocessing of their library."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jsonargparse import Namespace
from learners.foreign_models import solo_learn_simclr
from photo_folders import write_photos
from PIL import Image
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18

from unlearning_pl.blackbox.encoder import Encoder, Pixels
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.image_folder import open_owner_images
from unlearning_pl.blackbox.owner_audit import audit_images
from unlearning_pl.commands.encoder_options import pixels_from_options
from unlearning_pl.data import JitterViews
from unlearning_pl.errors import InputError
from unlearning_pl.images.resizing import Resize


@pytest.fixture
def net(tmp_path: Path) -> nn.Module:
    torch.manual_seed(0)
    net = resnet18(num_classes=3).eval()
    torch.save(net.state_dict(), tmp_path / "w.pt")
    return net


def test_vectors_are_those_of_the_library(net: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.blackbox.local_models.rank_zero_info", notes.append)
    images = open_owner_images(write_photos(tmp_path / "photos", 1))
    encoder = open_encoder(str(tmp_path / "w.pt"))
    assert "torchvision/resnet18" in notes[0]
    assert "Mean [0.485, 0.456, 0.406], standard deviation [0.229, 0.224, 0.225]." in notes[0]
    vectors = encoder(next(images.batches(encoder.image_size, encoder.resize)))
    transform: Callable[..., torch.Tensor] = ResNet18_Weights.DEFAULT.transforms()
    net.fc = nn.Identity()
    batch = torch.stack([transform(Image.open(tmp_path / "photos" / name)) for name in images.ids])
    with torch.no_grad():
        torch.testing.assert_close(vectors, net(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("net")
def test_options_replace_what_was_guessed(tmp_path: Path) -> None:
    encoder = open_encoder(str(tmp_path / "w.pt"), Pixels((0.5,), (0.25,), 32))
    assert encoder.image_size == (32, 32)
    assert encoder.resize is None
    noise = torch.randint(256, (2, 32, 32, 3), dtype=torch.uint8)
    other = open_encoder(str(tmp_path / "w.pt"), Pixels(image_size=32))
    assert not torch.allclose(encoder(noise), other(noise))


@pytest.mark.usefixtures("net")
def test_a_named_architecture_is_not_guessed(tmp_path: Path) -> None:
    assert open_encoder(str(tmp_path / "w.pt"), architecture="timm/resnet18").image_size == (224, 224)
    with pytest.raises(InputError, match="Expected the weights of timm/resnet10t"):
        open_encoder(str(tmp_path / "w.pt"), architecture="timm/resnet10t")


def test_a_normalisation_that_no_library_states_has_to_be_given(tmp_path: Path) -> None:
    torch.save(solo_learn_simclr().state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"Expected the normalisation of the images of .*Give `mean` and `std`"):
        open_encoder(str(tmp_path / "w.pt"), Pixels(image_size=32))
    options = Namespace(mean=[0.0], std=None, image_size=32)
    assert open_encoder(str(tmp_path / "w.pt"), pixels_from_options(options)).image_size == (32, 32)


@pytest.mark.usefixtures("net")
def test_pixels_that_are_not_normalised_can_be_asked_for(tmp_path: Path) -> None:
    noise = torch.randint(256, (2, 32, 32, 3), dtype=torch.uint8)
    vectors = [
        open_encoder(str(tmp_path / "w.pt"), pixels_from_options(Namespace(mean=mean, std=std, image_size=32)))(noise)
        for mean, std in ((None, None), ([0.0], [1.0]), ([0.0] * 3, [1.0] * 3), (None, [1.0]))
    ]
    assert not torch.allclose(vectors[0], vectors[1])
    assert all(torch.equal(vectors[1], other) for other in vectors[2:])


def test_all_models_get_the_images_of_the_one_that_says_how(tmp_path: Path) -> None:
    images = open_owner_images(write_photos(tmp_path / "photos", 1))
    seen: list[torch.Tensor] = []

    def embed(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch)
        return batch.float().mean(dim=(1, 2))

    plain, stated = Encoder("a", embed, (16, 16)), Encoder("b", embed, (16, 16), resize=Resize(16, 20))
    audit_images({"original": plain, "after": stated}, {"forget": images}, JitterViews(), views=2)
    assert torch.equal(*seen)
    assert torch.equal(seen[0][:3], next(images.batches((16, 16), Resize(16, 20))))
