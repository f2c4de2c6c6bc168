"""Extension of griffe: a section named Example is one of code, as Examples is."""

import re
from typing import Any

from griffe import Extension, Object


class DocstringSections(Extension):
    """Names the sections of docstrings as griffe's Google style knows them."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rename the section of an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
