"""The command views: which images it draws, that they come with their views and words, and what it refuses."""

import shlex
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unlearning_pl.cli.command_parser import data_from_options, parse_args
from unlearning_pl.commands import views as views_command
from unlearning_pl.commands.main import main
from unlearning_pl.commands.views import alternate_classes, describe_source, sheet_rows, views_parser
from unlearning_pl.data import ImageSet, Source, UnlearningData, Views
from unlearning_pl.report.image_sheet import Row

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "configs/views").glob("*.yaml"))
SMALL = "--data.source Digits --data.source.image_size 8"


class Darker(Views):
    """The first view is half as bright, the second a third, and so on: views tell their number and their image."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.images = images

    def forward(self, images: Tensor) -> Tensor:
        number = torch.arange(len(images)) // self.images
        return images / (number + 2)[:, None, None, None]


class Told(Source):
    """Four images of which captions are known."""

    mean = std = (0.5, 0.5, 0.5)

    def load(self) -> tuple[ImageSet, ImageSet]:
        images = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
        words = [(f"the {number}", "an image") for number in range(4)]
        whole = ImageSet(images, torch.zeros(4, dtype=torch.int64), list("abcd"), [], words)
        return whole.take([0, 1, 2]), whole.take([3])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[Row], list[str], list[str]]]:
    """What the command hands to the drawing; it works in an empty folder."""
    sheets: list[tuple[list[Row], list[str], list[str]]] = []
    real = views_command.draw_sheet

    def keeps(rows: list[Row], columns: list[str], title: list[str]) -> bytes:
        sheets.append((rows, columns, title))
        return real(rows, columns, title)

    monkeypatch.setattr(views_command, "draw_sheet", keeps)
    monkeypatch.chdir(tmp_path)
    return sheets


def views(words: str) -> int:
    return main(["views", *shlex.split(words)])


def test_the_first_of_each_class_in_turn() -> None:
    targets = torch.tensor([3, 1, 1, 0, 3, 3, 1, 0, 3])  # no image of class 2
    turns: list[int] = []
    left = {label: [row for row, target in enumerate(targets.tolist()) if target == label] for label in range(4)}
    while any(left.values()):
        turns += [rows.pop(0) for rows in left.values() if rows]
    for count in range(1, 10):
        assert alternate_classes(targets, count) == turns[:count]


def test_rows_have_the_image_its_views_and_its_words() -> None:
    data = UnlearningData(Told(), Darker(images=2))
    rows = sheet_rows(data, [3, 1], views=3)
    for row, position, name in zip(rows, (3, 1), "db", strict=True):
        image = data.pool.rows_at(torch.tensor([position]))[0][0]
        assert row.names == (name,)
        assert row.captions == (f"the {position}", "an image")
        torch.testing.assert_close(row.images, torch.stack([image, image / 2, image / 3, image / 4]))


def test_a_sheet_of_digits(
    drawn: list[tuple[list[Row], list[str], list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert views(f"{SMALL} --images 12 --views 2 --output new/sheet.png") == 0
    assert capsys.readouterr().out == "Views: new/sheet.png\n"
    assert Path("new/sheet.png").read_bytes()[1:4] == b"PNG"
    (rows, columns, title) = drawn[0]
    assert [row.names[1] for row in rows] == [f"class {number}" for number in [*range(10), 0, 1]]
    assert columns == ["image", "view 1", "view 2"]
    assert title[0] == "Digits(train_size=1000, image_size=8), seed 0"
    assert title[1].startswith("JitterViews(degrees=10, ")


def test_ids_and_seeds_choose(drawn: list[tuple[list[Row], list[str], list[str]]]) -> None:
    ids = "--ids 1773 7 1482"  # the second is a test image
    for seed in (0, 0, 1):
        assert views(f"{SMALL} {ids} --views 2 --seed {seed} --overwrite") == 0
    (first, *_), (again, *_), (other, *_) = drawn
    assert [row.names[0] for row in first] == ["1773", "7", "1482"]
    for one, two, three in zip(first, again, other, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.images[0], three.images[0])
        assert not torch.equal(one.images[1], three.images[1])


def test_a_run_shows_its_own_data(drawn: list[tuple[list[Row], list[str], list[str]]], tmp_path: Path) -> None:
    fit = (
        f"fit --model Classifier --model.backbone resnet9_slim {SMALL} --data.source.train_size 32 --data.batch_size 8"
    )
    views_of_it = "--data.views SupervisedViews --data.views.padding 1"
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    assert main(shlex.split(f"{fit} {views_of_it} {short} --run run")) == 0
    assert views("--run run --images 2") == 0
    assert views(f"--run run --images 2 --config {ROOT}/configs/views/clip.yaml --overwrite") == 0
    titles = [title for _, _, title in drawn]
    assert titles[0] == ["Digits(train_size=32, image_size=8), seed 0", "SupervisedViews(padding=1, flip_p=0.5)"]
    assert titles[1][1] == "CropViews(min_scale=0.9, ratio=1.33333, flip_p=0)"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--images 0", "Expected images from 1 to 1000, the training images, got 0."),
        ("--images 1001", "Expected images from 1 to 1000"),
        ("--seed -1", "Expected seed from 0 to 4294967295, got -1."),
        ("--seed 4294967296", "Expected seed from 0 to 4294967295, got 4294967296."),
        ("--views 0", "Expected views >= 1, got 0."),
        ("--ids 1773 1797", "Expected ids of images of the data, got '1797'. Did you mean"),
        ("--output views.jpg", "Expected a name that ends in .png, got views.jpg."),
        (
            "--output old.png",
            "Expected a new file, got old.png, which exists. Give another --output, or add --overwrite.",
        ),
        ("--run nowhere", "Expected a run folder with config.yaml, got nowhere."),
        ("--data.views CropVews", "Did you mean CropViews?"),
        ("--image 3", "Did you mean --images?"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.png").write_bytes(b"kept")
    assert views(f"{SMALL} {words}") == 2
    describe_source = capsys.readouterr().err
    assert message in describe_source
    assert describe_source.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]
    assert Path("old.png").read_bytes() == b"kept"


def test_a_source_in_a_source_is_told_too() -> None:
    class Around(Source):
        def __init__(self, source: Source, word: str | None = None) -> None:
            self.source, self.word, self._read = source, word, 1

        def load(self) -> tuple[ImageSet, ImageSet]:
            return self.source.load()

    assert describe_source(Around(Around(Told(), "a"))) == "Around(source=Around(source=Told(), word='a'))"


@pytest.mark.parametrize("config", [file.stem for file in FILES])
def test_every_policy_of_configs_runs_on_a_batch(config: str) -> None:
    """Also over a policy of the same class with other arguments: a file names all that its paper says."""
    other = "--data.views ContrastiveViews --data.views.min_scale 0.9 --data.views.jitter 0 --data.views.flip_p 0.3"
    made = []
    for before in ("", f"{other} --data.views.blur {'false' if config.endswith('_224') else 'true'}"):
        words = shlex.split(f"{before} --config {ROOT}/configs/views/{config}.yaml")
        made.append(data_from_options(parse_args(views_parser(), words)).views)
    assert repr(made[0]) == repr(made[1])
    size = 224 if config.endswith("_224") else 32
    images = torch.rand(1, 3, size, size).repeat(4, 1, 1, 1)
    looks = made[0](images)
    assert looks.shape == images.shape
    assert looks.isfinite().all()
    assert 0 <= looks.min() < looks.max() <= 1
    assert len(looks.unique(dim=0)) > 1  # CLIP's may be the whole image more than once
