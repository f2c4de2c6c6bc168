"""Pages of the notebooks of examples/: their text and code, without outputs."""

import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def notebook_page(path: Path) -> str:
    """Content of a notebook's page, with a link to the file."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [
        source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for cell in cells
        if (source := "".join(cell["source"]))
    ]
    return "\n\n".join([*parts[:1], f"[Download the notebook]({path.name})", *parts[1:]]) + "\n"
