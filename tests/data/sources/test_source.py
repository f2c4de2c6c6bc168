import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from unlearning_pl.data import Digits, ImageSet, Source
from unlearning_pl.errors import InputError


def test_digits_are_those_of_scikit_learn_resized_as_pillow_does() -> None:
    train, test = Digits().load()
    assert (len(train), len(test)) == (1000, 797)
    assert sorted(map(int, train.ids + test.ids)) == list(range(1797))
    digits = load_digits()
    for part in (train, test):
        for row in (0, 1, len(part) - 1):
            position = int(part.ids[row])
            assert part.class_names[part.targets[row]] == str(digits.target[position])
            image = Image.fromarray((digits.images[position] * (255 / 16)).astype(np.float32))
            expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
            for channel in part.images[row]:
                np.testing.assert_allclose(channel.numpy(), expected, atol=0.51)


def test_digits_in_their_own_size_keep_their_shades() -> None:
    train, _ = Digits(train_size=5, image_size=8).load()
    shades = load_digits().images[[int(name) for name in train.ids]]
    np.testing.assert_array_equal(train.images[:, 0].numpy(), np.rint(shades * 255 / 16))


def test_digits_smaller_than_the_original_average_their_neighbours() -> None:
    train, _ = Digits(train_size=1, image_size=4).load()
    shades = load_digits().images[int(train.ids[0])] * 255 / 16
    # Each new pixel weighs the 4x4 about its centre by a triangle of radius 2: 1 3 3 1 along each axis.
    expected = np.einsum("i,j,ij", np.array([1, 3, 3, 1]) / 8, np.array([1, 3, 3, 1]) / 8, shades[1:5, 1:5])
    assert abs(int(train.images[0, 0, 1, 1]) - expected) <= 0.51


def test_digits_take_the_first_of_the_pool_and_leave_the_test_set() -> None:
    whole, test = Digits().load()
    some, same_test = Digits(train_size=400).load()
    assert some.ids == whole.ids[:400]
    assert torch.equal(some.images, whole.images[:400])
    assert same_test.ids == test.ids


@pytest.mark.parametrize("source", [Digits()])
def test_statistics_are_those_of_the_training_images(source: Source) -> None:
    pixels = source.load()[0].images.double() / 255
    torch.testing.assert_close(pixels.mean((0, 2, 3)), torch.tensor(source.mean).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(pixels.std((0, 2, 3)), torch.tensor(source.std).double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_digits_refuse_a_size_that_is_not_there(size: int) -> None:
    with pytest.raises(InputError, match=rf"Expected train_size from 1 to 1000.*got {size}\."):
        Digits(train_size=size)


def test_digits_refuse_no_pixels() -> None:
    with pytest.raises(InputError, match="image_size >= 1, got 0"):
        Digits(image_size=0)


def test_image_set_takes_rows_in_order(train: ImageSet) -> None:
    part = train.take(torch.tensor([3, 0]))
    assert part.ids == ["train/3", "train/0"]
    assert torch.equal(part.images, torch.stack([train.images[3], train.images[0]]))
    assert part.targets.tolist() == [3, 0]


@pytest.mark.parametrize(
    ("targets", "ids", "message"),
    [
        ([0, 1], ["a"], "as many images as targets, ids"),
        ([0, 1], ["a", "a"], "different id for each image, got 1 repeated"),
        ([0, 1], ["a", 7], "ids that are texts, got 7"),
        ([0, 2], ["a", "b"], "targets from 0 to 1.*got 0 to 2"),
        ([-1, 1], ["a", "b"], "got -1 to 1"),
    ],
)
def test_image_set_refuses_parts_that_do_not_fit(targets: list[int], ids: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageSet(torch.zeros(2, 3, 1, 1, dtype=torch.uint8), torch.tensor(targets), ids, ["x", "y"])
