"""Files of a figure: picture, drawing, numbers and page, with the caption and the command of each."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from unlearning_pl.figures import figure_files
from unlearning_pl.figures.drawing import Drawing
from unlearning_pl.figures.figure_files import write_figure

NAME = "gradient_norms"
COMMAND = ["unlearning-pl", "figures", NAME, "--model", "runs/<b> é中"]


def drawing(caption: str = "What <it> shows, ±1 中.") -> Drawing:
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.add_subplot().plot([1, 2], label="a$b")
    return Drawing(figure, ["model", "value"], [["a,b", 0.1], ["c", 2]], caption)


def test_each_file_says_what_it_shows_and_how_it_was_drawn(tmp_path: Path) -> None:
    page = write_figure(tmp_path, NAME, drawing(), COMMAND)
    line = "unlearning-pl figures gradient_norms --model 'runs/<b> é中'"
    with Image.open(tmp_path / f"{NAME}.png") as picture:
        assert picture.info["Description"] == "What <it> shows, ±1 中."
        assert picture.info["Comment"] == line
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    title = ElementTree.parse(tmp_path / f"{NAME}.svg").getroot()[0].text
    assert title is not None
    assert line in title
    with (tmp_path / f"{NAME}.csv").open(newline="") as file:
        assert [*csv.reader(file)] == [["model", "value"], ["a,b", "0.1"], ["c", "2"]]
    text = page.read_text()
    assert "What &lt;it&gt; shows" in text
    assert "runs/&lt;b&gt; é中" in text
    assert f'src="{NAME}.png"' in text


def test_the_page_has_all_figures_of_the_folder_and_no_other_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {name: figure_files.KINDS[NAME]._replace(title=f"Title of {name}") for name in ("a", "b", "c", "d")}
    monkeypatch.setattr(figure_files, "KINDS", kinds)
    Image.new("RGB", (4, 4)).save(tmp_path / "c.png")  # not one of ours
    (tmp_path / "d.png").write_bytes(b"damaged")
    write_figure(tmp_path, "b", drawing("Shows two."), COMMAND)
    text = write_figure(tmp_path, "a", drawing("Shows one."), COMMAND).read_text()
    assert text.index("Title of a") < text.index("Shows one.") < text.index("Title of b") < text.index("Shows two.")
    assert "Title of c" not in text
    assert "Title of d" not in text
    assert "Shows three." in write_figure(tmp_path, "b", drawing("Shows three."), COMMAND).read_text()


def test_a_figure_that_cannot_be_drawn_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_figure(tmp_path, NAME, drawing(), COMMAND)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = drawing()._replace(rows=[["new", 1]])
    monkeypatch.setattr(figure_files, "svg", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_figure(tmp_path, NAME, other, COMMAND)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
