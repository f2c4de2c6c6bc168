"""The command report: files, page, last lines, mistakes; results are made by hand, and nothing is run."""

import csv
import re
from pathlib import Path

import pytest
from made_results import made_results
from PIL import Image

from unlearning_pl.benchmark.results import Result
from unlearning_pl.commands.main import main

DISTANCES = {"near<b>": [0.02, 0.03], "far": [0.20, 0.22]}


def write(path: Path, rows: list[Result]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([Result._fields, *(["" if value is None else value for value in row] for row in rows)])
    return str(path)


def test_pages_and_plots_of_two_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write(tmp_path / "one.csv", made_results(DISTANCES, "one", 0.1))
    two = write(tmp_path / "two.csv", made_results(DISTANCES, "two $", 0.5))
    folder = tmp_path / "out"
    assert main(["report", one, two, "--to", str(folder), "--columns", "muc"]) == 0
    page = folder / "report.html"
    assert capsys.readouterr().out == f"Results: {folder}\nOpen: {page.resolve().as_uri()}\n"
    pictures = {"one_cost", "two $_cost", "one_share"}
    names = {f"{name}.{kind}" for name in pictures for kind in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.md", "report.tex"} | names
    with Image.open(folder / "one_cost.png") as picture:
        assert picture.width > 600
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    html = page.read_text()
    assert html.count("<svg") == 3
    assert "near<b>" not in html
    assert "near&lt;b&gt;" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)  # one page, without other files
    assert "unlearning-pl report" in html
    runs = re.findall(r"--run runs/one/(seed\d/\w+)", html)
    assert runs == ["seed0/original", "seed0/retrained", "seed0/near", "seed0/far"]  # in the order of running
    markdown = (folder / "report.md").read_text()
    assert markdown.index("## one") < markdown.index("## two $") < markdown.index("![Distance against cost: one]")
    assert markdown.count("Image passes are not in the records of these runs.") == 2
    assert "| EMIA % | RA % | TA % | UA % | CMIA % | Gap | Time, s |" in markdown
    assert (folder / "report.tex").read_text().count(r"\begin{tabular}") == 2


def test_metrics_of_another_version_are_named_and_markup_in_names_is_escaped(tmp_path: Path) -> None:
    rows = made_results({"<b>a": [0.1, 0.2], "c": [0.2, 0.3]}, "p[*]")
    other = [rows[-1]._replace(metric=name, value=1.0, passes=4) for name in ("new_metric", "step1/count")]
    file = write(tmp_path / "one.csv", [*rows, *other])
    assert main(["report", file, "--to", str(tmp_path / "out")]) == 0
    markdown = (tmp_path / "out/report.md").read_text()
    assert "## p\\[\\*\\]\n" in markdown
    assert "this version does not know them: new_metric.\n" in markdown
    assert "| \\<b>a |" in markdown
    assert "Image passes are not" not in markdown
    assert "](<p[*]_cost.png>)" in markdown
    assert "does not know them: new_metric." in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "results"),
        ("nowhere", "Expected results, got nowhere, which does not exist"),
        ("one.csv one.csv", "Expected each result once"),
        ("one.csv --columns mucc", "mucc"),
        ("one.csv --to one.csv", "Expected a writable folder, got one.csv"),
        (". ", "Expected results, got none in ."),
    ],
)
def test_a_mistake_gets_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one.csv", made_results(DISTANCES))
    assert main(["report", *words.split()]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]


def test_seeds_that_are_not_complete_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan/seed3").mkdir(parents=True)
    results = write(tmp_path / "one.csv", made_results(DISTANCES))
    assert main(["report", results, str(tmp_path / "plan"), "--to", str(tmp_path / "out")]) == 2
    assert "got seeds 3 without a report" in capsys.readouterr().err


def test_incomplete_seeds_of_plans_in_a_folder_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "all/plan/seed3").mkdir(parents=True)
    (tmp_path / "all/other").mkdir()
    write(tmp_path / "all/other/results.csv", made_results(DISTANCES))
    assert main(["report", "~/all", "--to", str(tmp_path / "out")]) == 0
    assert "all/plan, since they are not complete: seeds 3." in capsys.readouterr().out
