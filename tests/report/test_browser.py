"""The page in a browser: it complains of nothing, asks for nothing, and fits a desk and a phone, light and dark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from audited import CONTEXT, audited
from browser import EXECUTABLE, ask, chromium, look
from made_results import made_results
from PIL import Image
from remembering import remembering

from unlearning_pl.audits import Audit, compute_audit
from unlearning_pl.benchmark.result_pages import write_pages
from unlearning_pl.report import write_report

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="needs Chromium or Chrome")

FIRST = ("h1", ".verdict", ".key", ".power", ".answer svg")
_PLACES = """[...document.querySelectorAll('%s')].map(one => {
  const box = one.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})"""
_HIDDEN = """[...document.querySelectorAll('details')].filter(one => {
  const inside = [...one.children].filter(child => child.tagName != 'SUMMARY');
  return !inside.length || inside.some(child => child.getBoundingClientRect().height == 0 || !child.checkVisibility());
}).length"""
SCREENS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    models = audited({"original": 1.0, "retrained": 0.0, "alignment_calibration_with_a_long_name": 0.2, "coun": 0.4})
    light = [replace(audit, alignment=torch.zeros(0, 0), map={}, losses={}, probabilities={}) for audit in models]
    many = [replace(light[2], name=f"{'very' * 9}_long_{row}") for row in range(8)]
    forget = compute_audit("after", {"forget": replace(remembering()["forget"], losses=None)})
    return {
        "all": write_report(place / "all", models, CONTEXT),
        "many": write_report(place / "many", [*light[:2], *many], CONTEXT),
        "one": write_report(place / "one", [forget], {"models": {"after": "http://127.0.0.1:8000/" + "a" * 90}}),
        "nothing": write_report(place / "nothing", [Audit("after", {}, {}, torch.zeros(0, 0))]),
    }


@pytest.mark.parametrize(("width", "dark"), SCREENS)
@pytest.mark.parametrize("kind", ["all", "many", "one", "nothing"])
def test_nothing_is_wrong(browser: str, pages: dict[str, Path], kind: str, width: int, dark: bool) -> None:
    assert look(browser, pages[kind], width, dark) == []


@pytest.mark.parametrize(
    ("addition", "found"),
    [
        ('<div style="width: 1500px">wide</div>', "pixels wide"),
        ('<details><summary>more</summary><div style="width: 1500px">wide</div></details>', "unfolded: 1"),
        ("<script>console.error('oh')</script>", "console"),
        ("<script>throw new Error('oh')</script>", "exception"),
        ('<img src="http://127.0.0.1:9/pixel.png" alt="">', "request: http://127.0.0.1:9/pixel.png"),
        ('<link rel="stylesheet" href="beside.css">', "request: file:"),
        ('<p style="font-size: 8px">small</p>', "text of 8.0 pixels: small"),
        ('<svg viewBox="0 0 2000 100"><text y="50" font-size="12">small</text></svg>', "pixels: small"),
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_same_look_finds_what_is_wrong(
    browser: str, pages: dict[str, Path], tmp_path: Path, addition: str, found: str, width: int
) -> None:
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(pages["nothing"].read_text().replace("</main>", f"{addition}</main>"))
    assert any(found in complaint for complaint in look(browser, spoilt, width, False))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["all", "many"])
def test_the_first_screen_holds_the_answer(browser: str, pages: dict[str, Path], kind: str, width: int) -> None:
    for what in FIRST:
        ((left, top, right, bottom),) = ask(browser, pages[kind], _PLACES % what, width)
        assert left >= 0, what
        assert top >= 0, what
        assert right <= width, what
        assert bottom <= 800, what
        assert bottom - top > 15, what
    ((left, _, right, _),) = ask(browser, pages[kind], _PLACES % ".answer svg", width)
    assert right - left > 300  # pixels


def test_a_wide_screen_has_the_tags_of_the_others_too(browser: str, pages: dict[str, Path]) -> None:
    tags = ask(browser, pages["many"], _PLACES % ".tags li", 1280)
    assert len(tags) == 1 + 7 + 1  # a title, the other unlearned models, the original
    assert all(bottom <= 800 for _, _, _, bottom in tags)


@pytest.mark.parametrize("kind", ["all", "many"])
def test_a_printer_gets_what_is_folded_on_white(browser: str, pages: dict[str, Path], kind: str) -> None:
    assert ask(browser, pages[kind], _HIDDEN, 794) > 0
    assert ask(browser, pages[kind], _HIDDEN, 794, media="print") == 0
    colours = "['body', '.card'].map(one => getComputedStyle(document.querySelector(one)).backgroundColor)"
    assert ask(browser, pages[kind], colours, 794, media="print") == ["rgb(255, 255, 255)"] * 2


def test_dark_and_light_are_not_the_same(browser: str, pages: dict[str, Path], tmp_path: Path) -> None:
    seen = []
    for dark in (False, True):
        look(browser, pages["nothing"], 1280, dark, tmp_path / f"{dark}.png")
        with Image.open(tmp_path / f"{dark}.png") as picture:
            seen.append(picture.convert("L").resize((1, 1)).getpixel((0, 0)))
    assert seen[0] > 200
    assert seen[1] < 60


def test_on_paper_small_print_is_smaller_than_the_table(browser: str, pages: dict[str, Path]) -> None:
    sizes = "['td', '.gap', '.interval', '.letters'].map(one => getComputedStyle(document.querySelector(one)).fontSize)"
    cell, *notes = (float(size.removesuffix("px")) for size in ask(browser, pages["all"], sizes, 794, media="print"))
    assert all(9 < note < cell for note in notes)


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_nothing_is_wrong_with_a_page_of_results(browser: str, width: int, dark: bool, tmp_path: Path) -> None:
    far = {f"{'very' * 9}_long_{row}": [0.1 + row / 50, 0.11 + row / 50] for row in range(12)}
    results = [*made_results(far, "one", 0.1), *made_results(far, "two", 0.5)]
    page = write_pages(results, tmp_path, "all", ["unlearning-pl", "report", "a" * 200])
    assert look(browser, page, width, dark) == []
