"""No line of a text table is lost: each is a row, part of a value in quotes, or the file is refused."""

from pathlib import Path

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.tables.table_files import read_table
from unlearning_pl.tables.text_tables import first_line


def rows(folder: Path, text: str | bytes, name: str = "a.csv") -> list[list[object]]:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return [list(row.values()) for row in read_table(file).to_pylist()]


READ = {
    "a quote that never ends": ('i\tc\n1.png\t"breaking\n2.png\tx\n', [["1.png", '"breaking'], ["2.png", "x"]]),
    "one that ends rows later": (
        'i\tc\n1.png\t"breaking\n2.png\t5" rule\n3.png\t" ends\n',
        [["1.png", '"breaking'], ["2.png", '5" rule'], ["3.png", '" ends']],
    ),
    "the same with commas": ('i,c\n1.png,"breaking\n2.png,x "y" z\n', [["1.png", '"breaking'], ["2.png", 'x "y" z']]),
    "words after a quote": ('i;c\n1.png;"hello" says a dog\n', [["1.png", '"hello" says a dog']]),
    "values of several lines": ('i,c\n1.png,"a\nb, c"\n2.png,x\n', [["1.png", "a\nb, c"], ["2.png", "x"]]),
    "an empty line in a value": ('i,c\n1.png,"a\n\nb, c"\n', [["1.png", "a\n\nb, c"]]),
    "lines in the first value": ('c,i\n"a\nb",1.png\n"c\n\nd",2.png\n', [["a\nb", "1.png"], ["c\n\nd", "2.png"]]),
    "values with tabs": ('i\tc\n1.png\t"a\tb"\n2.png\t"c ""d"""\n', [["1.png", "a\tb"], ["2.png", 'c "d"']]),
    "quotes around a value": ('i\tc\n1.png\t"a"\n', [["1.png", "a"]]),
    "other line ends": (b"i,c\r1.png,x\r2.png,y\r", [["1.png", "x"], ["2.png", "y"]]),
    "empty lines": ("\n\ni,c\r\n\r\n1.png,x\n\n2.png,y", [["1.png", "x"], ["2.png", "y"]]),
    "other ends of lines in unicode": ("i\tc\n1.png\ta\u2028b\x85c\x0bd\n", [["1.png", "a\u2028b\x85c\x0bd"]]),
    "separators in a quoted header": ('"i;j",c\n1.png,x\n', [["1.png", "x"]]),
}


@pytest.mark.parametrize("case", READ)
def test_every_line_is_read(case: str, tmp_path: Path) -> None:
    text, expected = READ[case]
    assert rows(tmp_path, text) == expected


REFUSED = {
    "a quoted value that swallows rows": (
        'i,c\n0.png,"a, b"\n1.png,"breaking\n2.png,x\n3.png,the end"\n4.png,y\n',
        r"over the lines 3 to 5, among which is a row as well",
    ),
    "the same with tabs": ('i\tc\n1.png\t"breaking\n2.png\tthe end"\n', "over the lines 2 to 3"),
    "the same without names of images": ('id;c\n1;"a\n2;b"\n', "over the lines 2 to 3"),
    "a quoted value that swallows rows and a line that is none": (
        'i\tc\na.jpg\t"hello\nb.jpg\tx\nstray line\nc.jpg\tworld"\nd.jpg\ty\n',
        "over the lines 2 to 5",
    ),
    "the same after a value with a separator": (
        'i,t,c\na.jpg,"x, y","hello\nb.jpg,z,world"\n',
        "over the lines 2 to 3",
    ),
    "the same with an empty line": ('i\tc\na.jpg\t"hello\n\nb.jpg\tworld"\n', "over the lines 2 to 4"),
    "the same with a line break of another system": ('i\tc\na.jpg\t"b\r\n\r\nb.jpg\tw"\r\n', "lines 2 to 4"),
    "the same with names at the end": ('c\ti\n"hello\ta.jpg\n\nx\tb.jpg\nworld"\tc.jpg\n', "over the lines 2 to 5"),
    "the same with a caption that ends like a name": ('i\tc\na.jpg\t"hello\nb.jpg\tx\n\nc.jpg\tw.jpg"\n', "2 to 5"),
    "the same where a name is quoted": ('i\tc\n"a.jpg\thello\nb.jpg\tx\nc.jpg"\ty\n', "over the lines 2 to 4"),
    "a quote that never ends among quoted values": ('i,c\n1.png,"a, b"\n2.png,"c\n', "quotes in .* to enclose values"),
    "words after a quoted separator": ('i,c\n1.png,"a, b" c\n', "others in line 2 or after it"),
    "too many values": ("i,c\n1.png,x\n2.png,y,z\n", "to have 2 columns, got 3 values in line 3"),
    "too few": ("i,c\n1.png\n", "to have 2 columns, got 1 values in line 2"),
    "no UTF-8": (b"i,c\n1.png,K\xf6ln\n", "which cannot be read .*UTF8.* Save it as UTF-8"),
    "UTF-16": ("i,c\n1.png,x\n".encode("utf-16"), "which cannot be read .*UTF8"),
    "a name twice": ("\u00e9,e\u0301\n1,2\n", "Give each column a name of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_clear_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        rows(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_number_that_would_change_stays_text(tmp_path: Path) -> None:
    text = "zip,hex,long,float,int,word\n01234,0x10,12345678901234567890,1.50,9007199254740993,nan\n5,3,1,2,3,x\n"
    assert rows(tmp_path, text)[0] == ["01234", "0x10", "12345678901234567890", 1.5, 9007199254740993, "nan"]


def test_the_first_line_is_read_whatever_follows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeff\n a ;b\n\xff".encode("latin-1", "ignore"))
    assert first_line(tmp_path / "a.csv") == ["a", "b"]


def test_times_are_the_text_that_is_written(tmp_path: Path) -> None:
    values = ["2020-01-01T09:00:00", "2020-01-01", "12:30", "2020-01-01 09:00:00.50"]
    assert rows(tmp_path, f"when,day,at,fine\n{','.join(values)}\n") == [values]
