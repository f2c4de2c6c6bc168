"""Nothing that is printed steers the terminal."""

import pytest
from rich.table import Table
from rich.text import Text

from unlearning_pl.report.terminal import PrintableConsole, open_console

HOSTILE = "a\x1b[2J\x9b31m\x07\u202eb"


def printed(*objects: object, **kwargs: object) -> str:
    console = PrintableConsole(width=100)
    with console.capture() as capture:
        console.print(*objects, **kwargs)  # type: ignore[arg-type]
    return capture.get()


def nested(cell: object) -> Table:
    table = Table(title=HOSTILE, caption=HOSTILE, min_width=40)
    table.add_column(HOSTILE)
    table.add_row(cell)  # type: ignore[arg-type]
    return table


@pytest.mark.parametrize(
    "renderable", [HOSTILE, Text(HOSTILE), Text(HOSTILE, style="bold"), nested(HOSTILE), nested(Text(HOSTILE))]
)
def test_escapes_are_shown_as_text(renderable: object) -> None:
    shown = printed(renderable)
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & {*shown}
    assert r"\x1b[2J" in shown
    assert r"\u202eb" in shown


def test_lines_and_styles_of_our_own_stay() -> None:
    console = PrintableConsole(force_terminal=True, color_system="standard", width=40)
    with console.capture() as capture:
        console.print("one\ntwo\x1b", style="bold", highlight=False, markup=False)
    assert capture.get() == "\x1b[1mone\x1b[0m\n\x1b[1mtwo\\x1b\x1b[0m\n"


def test_the_width_is_that_of_a_page_where_there_is_no_terminal() -> None:
    assert open_console(width=100).width == 100
