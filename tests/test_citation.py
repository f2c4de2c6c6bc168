"""CITATION.cff has what the Citation File Format 1.2.0 requires, and the version of the package."""

from pathlib import Path

import yaml

from unlearning_pl import __version__

CITATION = Path(__file__).parents[1] / "CITATION.cff"


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load(CITATION.read_text())
    assert cited["version"] == __version__
    assert (cited["cff-version"], cited["type"], cited["license"]) == ("1.2.0", "software", "Apache-2.0")
    assert cited["authors"] == [{"name": "The unlearning_pl contributors"}]
    assert all(isinstance(cited[key], str) and cited[key] for key in ("message", "title"))
    optional = {"version", "type", "license", "keywords"}
    assert {*cited} - optional == {"cff-version", "message", "title", "authors"}  # what the format requires
