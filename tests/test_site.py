"""The documentation site has every public name, reads the docstrings' markup, and shows notebooks without outputs."""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

import unlearning_pl

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "docs/site")
    return importlib.import_module("api_pages")


def test_every_public_name_has_its_place(site: ModuleType) -> None:
    pages = "\n".join(site.api_pages().values())
    described = re.findall(r"^::: (\S+)$", pages, flags=re.MULTILINE)
    assert len(described) == len({*described})
    for path in sorted((ROOT / "unlearning_pl").rglob("__init__.py")):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        for name in getattr(importlib.import_module(package), "__all__", []):
            full = f"{package}.{name}"
            linked = f"[`{name}`]" in pages or f"[`{full}`]" in pages
            assert full in described or (package == unlearning_pl.__name__ and linked), full


def test_references_are_found_by_what_they_name(site: ModuleType) -> None:
    find = site.References()
    assert find("unlearning_pl.learners.learner.Learner.key_maps") == "unlearning_pl.learners.Learner.key_maps"
    assert find("InputError") == "unlearning_pl.InputError"
    assert find("unlearning_pl.functional.roc.roc_auc_score") is None
    assert find("metrics") is None  # a package, and the name of methods


def test_markup_of_docstrings_is_read(site: ModuleType) -> None:
    markdown = pytest.importorskip("markdown")
    pytest.importorskip("latex2mathml", reason="needs the extra docs")
    extension = importlib.import_module("sphinx_markup").SphinxMarkup(site.References())
    text = "\n".join(
        (
            r"Loss ``l_i`` of :class:`~unlearning_pl.methods.salun.SalUn`, :math:`\alpha`:",
            "",
            r".. math:: L = \frac{1}{n} \sum_i",
            "    l_i",
            "",
            r"| formula |",
            r"|---|",
            r"| $`\lVert g_i \rVert_2`$ |",
            "",
            "```python",
            ":func:`x` ``y``",
            "```",
        )
    )
    html = markdown.markdown(text, extensions=["fenced_code", "tables", extension])
    assert '<autoref identifier="unlearning_pl.methods.SalUn"><code>SalUn</code></autoref>' in html
    assert html.count("<math ") == 3
    assert re.search(r"<td>.*<math .*</math></td>", html)
    assert "$" not in html
    assert "<mfrac>" in html
    assert "<code>l_i</code> of" in html
    assert ":func:`x` ``y``" in html
    assert ".. math" not in html


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert [cell["id"] for cell in book["cells"]] == [f"cell-{row:02}" for row in range(len(book["cells"]))]
    for cell in book["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_there_are_four_notebooks() -> None:
    assert len(NOTEBOOKS) == 4
