"""Names of images mean what a user sees, if they can mean one training image only."""

from pathlib import Path

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.forgetting.named_images import read_named_images

IDS = ["train/cat/1.png", "train/cat/2.png", "train/dog/2.png"]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``photos/CLASS``, which is not called train, seen from the folder that holds it."""
    for name in IDS:
        path = tmp_path / "photos" / name.removeprefix("train/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def read(photos: Path, *names: str, file: str = "ids.txt") -> list[str]:
    Path(file).write_text("\n".join(names))
    return read_named_images(file, IDS, [photos])


@pytest.mark.parametrize(
    "name",
    ["photos/cat/1.png", "./photos/cat/1.png", "cat/1.png", "train/cat/1.png", "1", "1.jpg", r"photos\cat\1.png"],
)
def test_every_way_to_write_a_path(name: str, photos: Path) -> None:
    assert read(photos, name) == ["train/cat/1.png"]


def test_absolute_paths_and_repeated_images(photos: Path, tmp_path: Path) -> None:
    assert read(photos, str(tmp_path / "photos/dog/2.png"), "dog/2.png", "cat/1.png") == [IDS[2], IDS[0]]


def test_links_to_the_folder_are_followed_by_name(photos: Path) -> None:
    Path("link").symlink_to("photos")
    assert read(Path("link"), "link/cat/1.png") == ["train/cat/1.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["2.png"], "got '2.png', which may be train/cat/2.png or train/dog/2.png. Write the whole id"),
        (["cat/1.png", "cat/9.png", "no"], "got 2 of 3 names that are none: 'cat/9.png', 'no'. An id is written as"),
        ([""], "Expected images to forget in ids.txt, got none"),
    ],
)
def test_names_of_no_image_or_of_several_are_refused(names: list[str], message: str, photos: Path) -> None:
    with pytest.raises(InputError) as error:
        read(photos, *names)
    assert message in str(error.value)


def test_two_images_that_a_name_may_mean_by_path_and_by_id(photos: Path) -> None:
    """Seen from the folder of dogs, 2.png is a file; by its end it may be the cat's as well."""
    Path("ids.txt").write_text("2.png")
    with pytest.raises(InputError, match=r"may be train/dog/2\.png or train/cat/2\.png"):
        read_named_images("ids.txt", IDS, [photos, photos / "dog"])
