"""An image processor of transformers and the transform that is read of it do the same to a photograph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from learners.saved_models import PROCESSORS, make_processor, save_model, transformers
from sklearn.datasets import load_sample_image
from torchvision.transforms.functional import normalize, to_tensor

from unlearning_pl.errors import InputError
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners.image_processors import processor_settings, read_preprocessing
from unlearning_pl.learners.library_models import Preprocessing
from unlearning_pl.types import Pixels

from PIL import Image  # isort: skip


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(load_sample_image("china.jpg")).resize((213, 141))


def prepared(found: Preprocessing, image: Image.Image) -> torch.Tensor:
    return normalize(to_tensor(found.resize(image)), [*found.pixels.mean], [*found.pixels.std])


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_photograph_is_prepared_as_by_the_library(
    name: str, turned: bool, photograph: Image.Image, tmp_path: Path
) -> None:
    image = photograph.transpose(Image.Transpose.ROTATE_90) if turned else photograph
    processor = make_processor(name)
    processor.save_pretrained(tmp_path)
    expected = processor(image, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(prepared(read_preprocessing(tmp_path), image), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("squash", [False, True])
def test_settings_that_are_written_are_read_again(squash: bool, photograph: Image.Image) -> None:
    made = Preprocessing(Resize(24, 33, "bicubic", squash, "transformers"), Pixels((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    settings = processor_settings(made)
    processor = getattr(transformers, settings.pop("image_processor_type") + "Pil")(**settings)
    expected = processor(photograph, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(prepared(made, photograph), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"resample": 1},
        {"size": {"height": 32, "width": 24}},
        {"do_resize": False},
        {"rescale_factor": 1 / 127.5},
        {"do_normalize": False},
        {"do_pad": True, "pad_size": {"height": 240, "width": 240}},
    ],
)
def test_other_steps_are_refused(settings: dict[str, object], tmp_path: Path) -> None:
    save_model(tmp_path, processor=None)
    transformers.ViTImageProcessorPil(**settings).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"got ViTImageProcessorPil in .* with other steps"):
        read_preprocessing(tmp_path)


def test_a_part_that_is_rounded_down(photograph: Image.Image) -> None:
    small = photograph.resize((39, 32))
    crop = np.asarray(Resize(32, 32, "bilinear", style="transformers")(small))
    assert np.array_equal(crop, np.asarray(small)[:, 3:35])
    assert np.array_equal(np.asarray(Resize(32, 32)(small)), np.asarray(small)[:, 4:36])
