"""Hooks of MkDocs: pages that docs/ does not hold, and links from docs/ into the repository."""

import posixpath
import re
from pathlib import Path
from typing import Any

from api_pages import References, api_pages
from gallery import build_gallery, gallery_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebook_pages import NOTEBOOKS, notebook_page
from sphinx_markup import SphinxMarkup

ROOT = Path(__file__).parents[2]
COPIES = "repository"
"""Folder of the site with the files of the repository that pages link to."""
PLACES = {"README.md": "index.md"}
"""Places of files of the repository in the site; any other is below :data:`COPIES`."""
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(?=[)#])")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read Sphinx markup, and list the generated pages in the navigation."""
    config.markdown_extensions.append(SphinxMarkup(References()))  # type: ignore[arg-type]
    sections: dict[str, Any] = {title: entry for entry in config.nav or [] for title, entry in entry.items()}
    sections["API reference"] += [path if path == "api/index.md" else {path[4:-3]: path} for path in api_pages()]
    sections["Notebooks"] += [f"notebooks/{path.stem}.md" for path in NOTEBOOKS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the API reference, the gallery, the notebooks, and the files of the repository that pages link to."""
    pages = {**api_pages(), "gallery.md": gallery_page()}
    pages |= {f"notebooks/{path.stem}.md": notebook_page(path) for path in NOTEBOOKS}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    copies = build_gallery() | {f"notebooks/{path.name}": path for path in NOTEBOOKS}
    for path, file in copies.items():
        files.append(File.generated(config, path, abs_src_path=str(file)))
    todo = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    done = {path for path in todo if path.parent != ROOT}
    while todo:
        path = todo.pop()
        if path not in done:
            done.add(path)
            files.append(File.generated(config, place(path), abs_src_path=str(path)))
        if path.suffix == ".md":
            todo += [target for target in _linked(path) if target not in done]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links between files of the repository as links between their places in the site."""
    source = page.file.abs_src_path
    if source is None:  # a generated page, whose links are right
        return markdown
    folder, here = Path(source).parent, posixpath.dirname(page.file.src_uri)

    def rewrite(match: re.Match[str]) -> str:
        return posixpath.relpath(place((folder / match[1]).resolve()), here or ".")

    return _LINK.sub(rewrite, markdown)


def place(path: Path) -> str:
    """Place in the site of a file of the repository."""
    name = path.relative_to(ROOT).as_posix()
    return name.removeprefix("docs/") if name.startswith("docs/") else PLACES.get(name, f"{COPIES}/{name}")


def _linked(page: Path) -> list[Path]:
    targets = [(page.parent / target).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [target for target in targets if target.is_file()]
