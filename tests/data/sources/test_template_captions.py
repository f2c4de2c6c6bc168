from pathlib import Path

import pytest
import torch

from unlearning_pl.data import Digits, ImageSet, Parquet, Source, TemplateCaptions
from unlearning_pl.errors import InputError

CIFAR = Path(__file__).parents[4] / "shared" / "data" / "cifar10"


class Given(Source):
    """Images that a test made."""

    mean, std, image_size = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 4

    def __init__(self, train: ImageSet, test: ImageSet) -> None:
        self.parts = train, test

    def load(self) -> tuple[ImageSet, ImageSet]:
        return self.parts


def test_every_template_is_filled_with_the_class_of_each_image(train: ImageSet, test: ImageSet) -> None:
    source = Given(train, test)
    captioned = TemplateCaptions(source, ["a {}.", "{} or {}", "50 % {} {0}"])
    for part, plain in zip(captioned.load(), (train, test), strict=True):
        names = [part.class_names[k] for k in part.targets]
        assert part.captions == [(f"a {name}.", f"{name} or {name}", f"50 % {name} {{0}}") for name in names]
        assert torch.equal(part.images, plain.images)
        assert part.ids == plain.ids
    assert (captioned.mean, captioned.std, captioned.image_size) == (source.mean, source.std, source.image_size)


def test_underscores_are_spaces(train: ImageSet) -> None:
    one = ImageSet(train.images[:1], train.targets[:1], ["a"], ["aquarium_fish"])
    assert TemplateCaptions(Given(one, one)).load()[0].captions == [("a photo of a aquarium fish.",)]


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([], r"list of templates, got \[\]"),
        ("a {}.", r"list of templates, got 'a \{\}\.'"),
        (["a {}.", "a photo"], r"with \{\} in the place of the class, got 'a photo'"),
    ],
)
def test_templates_that_say_nothing_are_refused(templates: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TemplateCaptions(Digits(), templates)


def test_a_source_without_classes_is_refused(train: ImageSet) -> None:
    nameless = ImageSet(train.images, torch.zeros(len(train), dtype=torch.int64), train.ids, [])
    with pytest.raises(InputError, match="source with classes, got none of Given"):
        TemplateCaptions(Given(nameless, nameless)).load()


@pytest.mark.skipif(not CIFAR.is_dir(), reason=f"needs the real images in {CIFAR}")
def test_the_real_cifar10_is_captioned() -> None:
    source = Parquet(str(CIFAR / "train-*.parquet"), str(CIFAR / "test-*.parquet"), 50, 10)
    train, _ = TemplateCaptions(source).load()
    assert train.captions is not None
    for name, (caption,) in zip(train.ids, train.captions, strict=True):
        assert caption == f"a photo of a {name.split('/')[1]}."
